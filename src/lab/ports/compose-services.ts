/** The services of a Compose file as containers of a lab. */
import type { LabSource, Path } from '../source.ts'
import type { Compose, ComposeService } from './compose-schema.ts'
import { type Draft, formatPlace } from './draft.ts'
import { noteKeys, placeIn } from './foreign.ts'

/** Keys of a service that are looked at; the others are said. */
const KNOWN = [
  'networks',
  'network_mode',
  'mac_address',
  'sysctls',
  'expose',
  'ports',
  'scale',
  'deploy',
]

type Attachment = Exclude<NonNullable<ComposeService['networks']>, readonly string[]>[string] &
  object

/** What a service says of a network it only names. */
const NOTHING: Attachment = {}

interface Attached {
  readonly network: string
  readonly addr?: string | string[]
  readonly mac?: string
  readonly nic?: string
  readonly layer3: boolean
}

export function putServices(compose: Compose): void {
  const { draft, source, file } = compose
  for (const [name, service] of Object.entries(file.services ?? {})) {
    const path: Path = ['services', name]
    const attached = attachments(compose, name, service)
    if (attached.length === 0) {
      draft.note(placeIn(source, path), `service ${name}: left out: ${whyNowhere(service)}`)
      continue
    }
    for (const own of copies(compose, name, service))
      putContainer(compose, own, name, service, attached)
    sayPorts(draft, source, path, name)
    noteKeys(draft, source, path, KNOWN, {
      what: `service ${name}`,
      why: 'a lab runs no programs',
    })
  }
}

/** The names of the containers of a service: Compose starts as many as it is scaled to. */
function copies({ names, source }: Compose, name: string, service: ComposeService): string[] {
  const many = service.scale ?? service.deploy?.replicas ?? 1
  if (many === 1) return [names.take(name)]
  const networks = Array.isArray(service.networks) ? {} : (service.networks ?? {})
  const fixed = Object.entries(networks).find(([, a]) => a?.ipv4_address ?? a?.ipv6_address)
  if (fixed !== undefined && many > 1) {
    source.problem(
      ['services', name, 'networks', fixed[0]],
      `${many} containers cannot share a fixed address: leave it out, or scale to 1`,
    )
    source.check()
  }
  return Array.from({ length: many }, (_, i) => names.take(`${name}-${i + 1}`))
}

function attachments(compose: Compose, name: string, service: ComposeService): Attached[] {
  const { draft, source, file, carried } = compose
  const path: Path = ['services', name, 'networks']
  const wanted = Array.isArray(service.networks)
    ? service.networks.map((network, i) => ({ network, how: NOTHING, at: [...path, i] }))
    : Object.entries(service.networks ?? {}).map(([network, how]) => ({
        ...{ network, how: how ?? NOTHING, at: [...path, network] },
      }))
  return wanted.flatMap(({ network, how, at }): Attached[] => {
    const known = carried.get(network)
    if (known === undefined) {
      if (network !== 'default' && !Object.hasOwn(file.networks ?? {}, network)) {
        source.problem(at, `service ${name} is on network ${network}, which the file does not have`)
        source.check()
      }
      draft.note(placeIn(source, at), `service ${name}: network ${network} was left out`)
      return []
    }
    const { ipv4_address: four, ipv6_address: six, mac_address: own, interface_name: nic } = how
    const mac = own ?? (wanted.length === 1 ? service.mac_address : undefined)
    const addresses = [four, six].filter((a) => a !== undefined)
    const [first] = addresses
    if (!Array.isArray(service.networks)) {
      noteKeys(
        draft,
        source,
        at,
        ['ipv4_address', 'ipv6_address', 'mac_address', 'interface_name'],
        {
          what: `service ${name} on ${network}`,
          why: 'a lab has no such setting of a container',
        },
      )
    }
    return [
      {
        network: known.name,
        layer3: known.layer3,
        ...(first === undefined ? {} : { addr: addresses.length === 1 ? first : addresses }),
        ...(mac === undefined ? {} : { mac }),
        ...(nic === undefined ? {} : { nic }),
      },
    ]
  })
}

function putContainer(
  { draft, source, host }: Compose,
  own: string,
  name: string,
  service: ComposeService,
  attached: readonly Attached[],
): void {
  const path: Path = ['services', name]
  const from = placeIn(source, path)
  const short = attached.map(({ network, addr, mac, nic }) => {
    if (mac === undefined && nic === undefined) {
      const fixed = addr === undefined || typeof addr === 'string' ? addr : addr.join(',')
      return fixed === undefined ? network : `${network}=${fixed}`
    }
    const more = { ...(mac === undefined ? {} : { mac }), ...(nic === undefined ? {} : { nic }) }
    return { network, ...(addr === undefined ? {} : { addr }), ...more }
  })
  const lab: Path = ['containers', own]
  const networks: Path = service.networks === undefined ? path : [...path, 'networks']
  draft.put([...lab, 'host'], host, { from })
  draft.put([...lab, 'net'], short.length === 1 ? short[0] : short, {
    ...{ from: placeIn(source, networks), flow: true },
  })
  const out = attached.findIndex((a) => a.layer3)
  if (out >= 0) draft.put([...lab, 'routes'], `default dev ${attached[out]?.nic ?? `eth${out}`}`)
  const sysctls = sysctlsOf(draft, source, name, service)
  if (sysctls.length > 0) {
    const at = placeIn(source, [...path, 'sysctls'])
    draft.put([...lab, 'sysctl'], Object.fromEntries(sysctls), { from: at })
  }
  const listen = (service.expose ?? []).map(portOf).filter((p) => p !== undefined)
  if (listen.length > 0) draft.put([...lab, 'listen'], listen, { flow: true })
  draft.say(lab, `${formatPlace(from)}: service ${name}`)
}

function sysctlsOf(
  draft: Draft,
  source: LabSource,
  name: string,
  { sysctls }: ComposeService,
): [string, string | number][] {
  const pairs = Array.isArray(sysctls)
    ? sysctls.map((text): [string, string] => {
        const [key = '', ...value] = String(text).split('=')
        return [key.trim(), value.join('=').trim()]
      })
    : Object.entries(sysctls ?? {}).map(([k, v]): [string, string] => [k, String(v)])
  return pairs.flatMap(([key, value]): [string, string | number][] => {
    if (key.startsWith('net.')) return [[key, /^\d{1,9}$/.test(value) ? Number(value) : value]]
    const at = placeIn(source, ['services', name, 'sysctls'])
    draft.note(
      at,
      `service ${name}: not carried: sysctl ${key} (a lab has those that begin with net.)`,
    )
    return []
  })
}

/** `80`, `80/udp` as `tcp/80`, `udp/80`. */
function portOf(text: string | number | boolean): string | undefined {
  const match = /^(\d+)(?:\/(tcp|udp))?$/.exec(String(text))
  return match?.[1] === undefined ? undefined : `${match[2] ?? 'tcp'}/${match[1]}`
}

function sayPorts(draft: Draft, source: LabSource, path: Path, name: string): void {
  noteKeys(draft, source, path, [...KNOWN.filter((k) => k !== 'ports'), ...others(source, path)], {
    what: `service ${name}`,
    why: 'on macvlan and ipvlan Docker publishes no ports: whoever is on the LAN reaches the container itself',
  })
}

/** The keys of a mapping but `ports`. */
function others(source: LabSource, path: Path): string[] {
  let value: unknown = source.value
  for (const key of path) value = (value as Readonly<Record<string, unknown>>)[key]
  return Object.keys(value as object).filter((key) => key !== 'ports')
}

function whyNowhere({ network_mode: mode, networks }: ComposeService): string {
  if (mode !== undefined) return `network_mode ${mode} is no network of its own`
  if (networks === undefined) return "it is on Docker's default bridge alone"
  return 'none of its networks is in the lab'
}
