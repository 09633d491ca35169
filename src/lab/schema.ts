/**
 * A lab file as typed: its shape as one zod schema, from which the types, the checks and the
 * published JSON Schema (`schema/lab.schema.json`) come.
 *
 * Values that hold `${variable}` are allowed everywhere here; variables.ts puts the values of a
 * combination in before the file is checked for good.
 */
import * as z from 'zod/mini'

/** Keys each object allows, by the text its "unknown key" issue carries. */
const KNOWN_KEYS = new Map<string, readonly string[]>()

/** The keys allowed where zod reported unknown ones. */
export function knownKeys(message: string): readonly string[] | undefined {
  return KNOWN_KEYS.get(message)
}

function object<S extends Parameters<typeof z.strictObject>[0]>(what: string, shape: S) {
  const keys = Object.keys(shape)
  const known = `${what} has the keys ${keys.join(', ')}`
  KNOWN_KEYS.set(known, keys)
  const schema = z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys' ? known : `must be ${what}: ${keys.join(', ')}`,
  })
  return schema.check(z.meta({ title: what }))
}

const allowed = (what: string) => ({
  error: (issue: { readonly input?: unknown }) =>
    issue.input === undefined ? `is missing: write ${what}` : `must be ${what}`,
})

/** `${name}`, where something else will stand. */
const variable = (what: string) =>
  z.string(allowed(what)).check(z.regex(/^\$\{[A-Za-z_]\w*\}$/, allowed(what)))
/** One of a few words, or a variable. */
function word<const V extends readonly string[]>(values: V, what: string, about: string) {
  return z
    .union([z.enum(values, allowed(what)), variable(what)], allowed(what))
    .check(z.describe(about))
}
const flag = (about: string) =>
  z
    .union([z.boolean(), variable('true or false')], allowed('true or false'))
    .check(z.describe(about))
const text = (what: string, about: string) => z.string(allowed(what)).check(z.describe(about))
const whole = (min: number, max: number, about: string) => {
  const what = `a whole number from ${min} to ${max}`
  const number = z.int(allowed(what)).check(z.gte(min, allowed(what)), z.lte(max, allowed(what)))
  return z.union([number, variable(what)], allowed(what)).check(z.describe(about))
}
const list = <T extends z.ZodMiniType>(item: T, what: string) => z.array(item, allowed(what))
/** One thing or a list of them. */
const some = (what: string, about: string) =>
  z
    .union([z.string(), z.array(z.string(allowed(what)))], allowed(`${what}, or a list of such`))
    .check(z.describe(about))

const NODE_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$/
const LINK_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/
const SAY_NODE =
  'a name has 1 to 40 letters, digits, "-" and "_", and begins with a letter or digit'
const SAY_LINK =
  'the name of a link has at most 15 bytes: letters, digits, ".", "-" and "_", and begins with a letter or digit'
const byName = <T extends z.ZodMiniType>(value: T, pattern: RegExp, say: string, what: string) =>
  z.record(z.string().check(z.regex(pattern, { error: say })), value, allowed(what))
const byNode = <T extends z.ZodMiniType>(value: T, what: string) =>
  byName(value, NODE_NAME, SAY_NODE, what)
const byLink = <T extends z.ZodMiniType>(value: T, what: string) =>
  byName(value, LINK_NAME, SAY_LINK, what)

const VLANS = 'a VLAN id from 1 to 4094'
const SCALAR = z.union([z.string(), z.number(), z.boolean()], allowed('a text, number or boolean'))
const RUN = some('a command line', 'Command lines executed verbatim in the node, in order.')
const SYSCTL = z
  .record(z.string(), SCALAR, allowed('a mapping of sysctl keys to values'))
  .check(z.describe('Sysctls of the namespace, by key with dots: net.ipv4.ip_forward: 1.'))
const ROUTES = some(
  'a route like "default via 10.0.0.1" or "10.1.0.0/16 dev eth0"',
  'Routes as `ip route add` takes them: TO [via IP] [dev LINK] [src IP] [metric N].',
)
const LISTEN = some(
  'tcp/PORT or udp/PORT',
  'Ports that answer: TCP takes connections, UDP sends back what comes.',
)
const WHEN = text(
  'an expression over the matrix variables',
  'Only in combinations where this holds.',
)

const TC_TIME = 'a time like 100ms or 2s'
const PERCENT = z.union([z.string(), z.number()], allowed('a percentage from 0 to 100'))
const impairOptions = object('an impairment', {
  delay: z.optional(text(TC_TIME, 'Each frame leaves so much later.')),
  jitter: z.optional(text(TC_TIME, 'The delay varies by so much, up and down.')),
  loss: z.optional(PERCENT.check(z.describe('So many percent of the frames are lost.'))),
  duplicate: z.optional(PERCENT.check(z.describe('So many percent leave twice.'))),
  reorder: z.optional(
    PERCENT.check(z.describe('So many percent leave at once, before those delayed.')),
  ),
  rate: z.optional(text('a rate like 10mbit or 64kbit', 'Bits per second.')),
  limit: z.optional(whole(0, 1_000_000, 'Frames that may wait at a time, default 1000.')),
})
const impair = z
  .union(
    [z.string(), impairOptions],
    allowed(
      '"delay 100ms 10ms loss 5%" as tc takes it, down, none, or a mapping with delay, loss, ...',
    ),
  )
  .check(
    z.describe(
      'Impairment of its cable, of the frames that leave here: `delay 100ms 10ms loss 5% ' +
        'duplicate 1% reorder 25% rate 1mbit`, `down` (nothing gets through), `none`, or the long ' +
        'form. The other direction is impaired at the other end.',
    ),
  )

const portOptions = object('a port', {
  access: z.optional(whole(1, 4094, 'Access port: untagged member of this VLAN.')),
  trunk: z.optional(
    z
      .array(whole(1, 4094, 'A VLAN id.'), allowed(`a list: ${VLANS} each`))
      .check(z.describe('Trunk port: tagged member of these VLANs.')),
  ),
  native: z.optional(whole(1, 4094, 'VLAN of untagged frames on a trunk.')),
  hairpin: z.optional(
    flag('Frames may leave through the port they came in by (reflective relay).'),
  ),
  isolated: z.optional(flag('No frames between this port and other isolated ones.')),
  learning: z.optional(flag('The switch learns addresses on this port (default true).')),
  flood: z.optional(flag('Frames to unknown addresses leave here too (default true).')),
  up: z.optional(flag('Administratively up (default true).')),
  mtu: z.optional(whole(68, 65535, 'MTU, default 1500.')),
  impair: z.optional(impair),
  to: z.optional(text('SWITCH:PORT', 'A cable to a port of another switch.')),
})
const port = z
  .union(
    [z.string(), portOptions],
    allowed('"access 100", "trunk 100 200 native 1", or a mapping with those and hairpin, ...'),
  )
  .check(z.describe('A port: `access 100`, `trunk 100 200 native 1`, or the long form.'))

const switchSchema = object('a switch', {
  ports: byLink(port, 'a mapping of port names to ports').check(z.describe('Its ports.')),
  vlanFiltering: z.optional(
    flag('VLAN-aware; default: true when a port names a VLAN, else false.'),
  ),
  when: z.optional(WHEN),
})

const ADDR = 'an address with its prefix length, like 192.168.8.10/24'
const nicOptions = object('a nic', {
  to: z.optional(
    text('SWITCH:PORT, HOST:NIC or none', 'The other end of its cable; write a cable once.'),
  ),
  mac: z.optional(text('a MAC address', 'Default: made from the names of lab, host and nic.')),
  mtu: z.optional(whole(68, 65535, 'MTU, default 1500.')),
  promisc: z.optional(flag('Promiscuous mode.')),
  up: z.optional(flag('Administratively up (default true).')),
  impair: z.optional(impair),
  addr: z.optional(some(ADDR, 'Its addresses, each with its prefix length.')),
})
const nic = z
  .union([z.string(), nicOptions], allowed('SWITCH:PORT, HOST:NIC, none, or a mapping with `to`'))
  .check(z.describe('A network card: where its cable leads, or the long form.'))

const CHAINS = ['input', 'forward', 'output'] as const
const SAY_CHAINS = 'input, forward or output'
const PREFIX = 'an address or prefix'
const filterRule = object('a filter rule', {
  chain: z
    .enum(CHAINS, allowed(SAY_CHAINS))
    .check(z.describe('What is for this node, passes through it, or comes from it.')),
  in: z.optional(text('the name of a link', 'The link it came in by; `eth+`: all that begin so.')),
  out: z.optional(text('the name of a link', 'The link it leaves by.')),
  from: z.optional(text(PREFIX, 'Its source.')),
  to: z.optional(text(PREFIX, 'Its destination.')),
  state: z.optional(some('a connection state', 'new, established, related, invalid, untracked.')),
  proto: z.optional(word(['tcp', 'udp', 'icmp'], 'tcp, udp or icmp', 'Its protocol.')),
  port: z.optional(
    z
      .union([z.string(), z.int()], allowed('a port, or a range like 8000-8080'))
      .check(z.describe('Destination port or ports, of tcp and udp.')),
  ),
  do: z
    .enum(['accept', 'drop', 'reject'], allowed('accept, drop or reject'))
    .check(z.describe('What becomes of it.')),
})
const POLICY = z.optional(
  z
    .partialRecord(
      z.enum(CHAINS, allowed(SAY_CHAINS)),
      z.enum(['accept', 'drop'], allowed('accept or drop')),
      allowed(`a mapping of ${SAY_CHAINS} to accept or drop`),
    )
    .check(z.describe('What becomes of packets no rule decides on, by chain; default accept.')),
)
const FILTER = z.optional(
  list(filterRule, 'a list of rules').check(z.describe('Packet filter, in order.')),
)
const NAT = z.optional(
  some(
    'a rule like "masquerade out eth0"',
    'Address translation: `masquerade out LINK`, `snat out LINK to IP`, `dnat in LINK tcp/80 to IP:8080`.',
  ),
)

const vlanOptions = object('a VLAN link', {
  parent: text('the name of a nic or of another VLAN link', 'The link it sits on.'),
  id: whole(1, 4094, 'Its VLAN id.'),
  name: z.optional(text('a link name', 'Default: parent.id.')),
  protocol: z.optional(
    word(['802.1Q', '802.1ad'], '802.1Q or 802.1ad', 'Its tag; 802.1ad is the outer of two.'),
  ),
  mac: z.optional(text('a MAC address', "Default: its parent's, following it.")),
  mtu: z.optional(whole(68, 65535, "MTU, default its parent's.")),
  up: z.optional(flag('Administratively up (default true); false while its parent is down.')),
})
const vlan = z.union(
  [z.string(), vlanOptions],
  allowed('NIC.VLAN-ID like eth0.100, or a mapping with the keys parent, id, name, protocol, ...'),
)
const shim = z
  .union(
    [
      z.string(),
      z.array(z.string(allowed('the name of a network'))),
      z.record(z.string(), z.string(allowed('an address, or none'))),
    ],
    allowed('a network, a list of such, or a mapping of networks to an address or none'),
  )
  .check(
    z.describe(
      'Host access: a child of its own on the parent of these networks, with a route to each ' +
        "container here. Without an address it speaks with the parent's; ipvlan l2 needs one.",
    ),
  )

const host = object('a host', {
  nics: z.optional(
    byLink(nic, 'a mapping of nic names to nics').check(z.describe('Its network cards, by name.')),
  ),
  vlans: z.optional(
    z
      .union([z.string(), z.array(vlan)], allowed('NIC.VLAN-ID like eth0.100, or a list of such'))
      .check(z.describe('VLAN links to make: `eth0.100`, or the long form.')),
  ),
  addr: z.optional(
    byLink(
      z.union([z.string(), z.array(z.string())], allowed(`${ADDR}, or a list of such`)),
      'a mapping of link names to addresses',
    ).check(z.describe('Addresses by link, for VLAN links above all.')),
  ),
  routes: z.optional(ROUTES),
  sysctl: z.optional(SYSCTL),
  forward: z.optional(flag('Forwards IPv4 and IPv6: a router.')),
  shim: z.optional(shim),
  nat: NAT,
  filter: FILTER,
  policy: POLICY,
  listen: z.optional(LISTEN),
  lo: z.optional(flag('Bring the loopback link up; default: the `lo` of the lab.')),
  run: z.optional(RUN),
  when: z.optional(WHEN),
})

const network = object('a network', {
  driver: word(['macvlan', 'ipvlan'], 'macvlan or ipvlan', 'The kind of link a container gets.'),
  parent: z.optional(
    text(
      'the name of a nic, or NIC.VLAN-ID',
      'The link the children sit on; `eth0.50` makes the VLAN link. Without: a dummy, and internal.',
    ),
  ),
  mode: z.optional(
    word(
      ['bridge', 'private', 'vepa', 'passthru', 'source', 'l2', 'l3', 'l3s'],
      'bridge, private, vepa, passthru or source with macvlan, and l2, l3 or l3s with ipvlan',
      'Default bridge (macvlan) and l2 (ipvlan), as Docker has it.',
    ),
  ),
  flag: z.optional(
    word(['bridge', 'private', 'vepa'], 'bridge, private or vepa', 'ipvlan only; default bridge.'),
  ),
  subnet: z.optional(some('a subnet like 192.168.8.0/24', 'Its subnet, or several.')),
  gateway: z.optional(some('an address', 'Default route of its containers, one a subnet.')),
  ipRange: z.optional(some('a part of the subnet', 'Automatic addresses come from here only.')),
  aux: z.optional(
    z
      .record(
        z.string(),
        z.string(allowed('an address')),
        allowed('a mapping of names to addresses'),
      )
      .check(z.describe('Addresses never given out, by a name of your own.')),
  ),
  hosts: z.optional(
    some('the name of a host', 'Hosts that have it; default: all with the parent.'),
  ),
  internal: z.optional(flag('No default route.')),
  when: z.optional(WHEN),
})

const attachment = object('an attachment', {
  network: text('the name of a network', 'The network.'),
  addr: z.optional(some('an address', 'Fixed address; default: the first free one.')),
  mac: z.optional(text('a MAC address', 'Default: made from the names of lab and container.')),
  nic: z.optional(
    text('a link name', 'Name of the link in the container; default eth0, eth1, ...'),
  ),
})
const NET = 'NETWORK, NETWORK=ADDRESS, or a mapping with the keys network, addr, mac, nic'
const net = z.union([z.string(), attachment], allowed(NET))
const container = object('a container', {
  host: text('the name of a host', 'Where it runs.'),
  net: z
    .union([z.string(), attachment, z.array(net)], allowed(`${NET}, or a list of such`))
    .check(z.describe('Its networks: `lan`, `lan=192.168.8.20`, the long form, or a list.')),
  routes: z.optional(ROUTES),
  sysctl: z.optional(SYSCTL),
  promisc: z.optional(flag('Promiscuous mode of its links.')),
  nat: NAT,
  filter: FILTER,
  policy: POLICY,
  listen: z.optional(LISTEN),
  lo: z.optional(flag('Bring the loopback link up; default: the `lo` of the lab.')),
  run: z.optional(RUN),
  when: z.optional(WHEN),
})

const EXPECT = 'A -> B ok|fail [ttl N] [via R] [as IP] [tcp/80] [within 3s] [v6] [why CODE]'
const lines = (about: string) =>
  z
    .union([z.string(), z.array(z.string())], allowed(`"${EXPECT}", or a list of such`))
    .check(z.describe(about))
const expectation = z
  .union(
    [
      z.string(),
      object('a condition', {
        if: text('an expression over the matrix variables', "Such as mode == 'vepa' && hairpin."),
        // oxlint-disable-next-line unicorn/no-thenable -- the word of the file format, never
        // awaited
        then: lines('Expected where it holds.'),
        else: z.optional(lines('Expected where it does not.')),
      }),
    ],
    allowed(`"${EXPECT}" or {if: ..., then: ..., else: ...}`),
  )
  .check(
    z.describe(
      'Who reaches whom. A, B: a node, node.link, an address (B), net:NAME, {a,b} or *; <-> both ways.',
    ),
  )
const expectations = list(expectation, 'a list of expectations').check(
  z.describe(
    'What shall be, in lines: `A -> B ok` or `A -> B fail`, then `ttl N`, `via R` or `via R,S` (the ' +
      'routers on the way), `as IP` (the source address that B sees), `tcp/80` or `udp/53` in place of a ping, `within 3s` (how long to wait, ' +
      'default 500ms), `v6`, `why CODE` (a kernel tells no code: there `fail` alone counts). A and ' +
      'B are a node, node.link, an address (B), net:NAME, {a,b} or *; a double arrow means both ways.',
  ),
)

const step = object('a step', {
  name: text('what the step shows', 'Heading of the step.'),
  at: z.optional(
    text(
      'a time like 2s or 500ms',
      'When it begins, counted from when the lab was made: virtual time in the simulator, real time on a kernel.',
    ),
  ),
  set: z.optional(
    z
      .record(z.string(), z.unknown())
      .check(z.describe('Changes to the lab by path: `switches.sw.ports.p1.hairpin: true`.')),
  ),
  run: z.optional(
    byNode(RUN, 'a mapping of nodes to command lines').check(
      z.describe('Command lines by node, executed verbatim.'),
    ),
  ),
  expect: z.optional(expectations),
})

/** The whole file. */
export const labSchema = object('a lab', {
  lab: z.string(allowed('a name: lower-case letters, digits and "-"')).check(
    z.regex(/^[a-z][a-z0-9-]{0,39}$/, {
      error: 'must be a name: up to 40 lower-case letters, digits and "-", a letter first',
    }),
    z.describe('Name of the lab; on a kernel its namespaces are called lanyard-<lab>-<node>.'),
  ),
  title: z.optional(text('one line of text', 'What it shows, in one line.')),
  matrix: z.optional(
    z
      .record(
        z
          .string()
          .check(
            z.regex(/^[A-Za-z_]\w*$/, { error: 'a variable is named by letters, digits and "_"' }),
          ),
        z
          .array(SCALAR, allowed('a list of values'))
          .check(z.minLength(1, { error: 'must be a list with at least one value' })),
        allowed('a mapping of variables to lists of values'),
      )
      .check(z.describe('Variables with their values; the lab runs once per combination.')),
  ),
  unless: z.optional(some('an expression over the matrix variables', 'Combinations to leave out.')),
  lo: z.optional(flag('Bring loopback links up (default true); `ip netns add` leaves them down.')),
  switches: z.optional(
    byNode(switchSchema, 'a mapping of names to switches').check(
      z.describe('Switches by name: Linux bridges, a namespace each.'),
    ),
  ),
  hosts: z.optional(
    byNode(host, 'a mapping of names to hosts').check(
      z.describe('Hosts by name: machines on the LAN.'),
    ),
  ),
  networks: z.optional(
    byNode(network, 'a mapping of names to networks').check(
      z.describe('Networks as Docker has them, by name.'),
    ),
  ),
  containers: z.optional(
    byNode(container, 'a mapping of names to containers').check(
      z.describe('Containers by name, each on a host and its networks.'),
    ),
  ),
  expect: z.optional(expectations),
  steps: z.optional(
    list(step, 'a list of steps').check(
      z.describe('Changes to the running lab, one after the other, each with expectations.'),
    ),
  ),
})

/** A lab file as typed. */
export type LabFile = z.infer<typeof labSchema>
export type HostFile = NonNullable<LabFile['hosts']>[string]
export type NetworkFile = NonNullable<LabFile['networks']>[string]
export type ContainerFile = NonNullable<LabFile['containers']>[string]
export type ExpectFile = NonNullable<LabFile['expect']>[number]

/** The JSON Schema (draft 2020-12) that editors complete and check lab files with. */
export function labJsonSchema(): object {
  return z.toJSONSchema(labSchema, { io: 'input' })
}
