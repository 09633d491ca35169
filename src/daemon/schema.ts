/**
 * What goes over the daemon's socket: JSON with addresses as text, as zod schemas. Requests are
 * checked against them, and the OpenAPI document is made from them. `codec.ts` turns these shapes
 * into the engine's and back.
 */
import * as z from 'zod/mini'

/** Every schema with a name, for the components of the OpenAPI document. */
export const NAMED = z.registry<{ readonly id: string }>()

function named<T extends z.ZodMiniType>(id: string, schema: T): T {
  NAMED.add(schema, { id })
  return schema
}

const text = (about: string) => z.string().check(z.describe(about))
const flag = (about: string) => z.boolean().check(z.describe(about))
/**
 * One of a few words. Which, the engine judges: its refusals are those people know. A client finds
 * the words in the OpenAPI document all the same.
 */
const word = (...words: readonly string[]) => z.string().check(z.meta({ enum: words }))
/** A number whose range the engine judges. */
const whole = (minimum: number, maximum: number, description: string) =>
  z.int().check(z.meta({ minimum, maximum, description }))

const NAME = /^[\p{L}\p{N}][\p{L}\p{N}_.-]*$/u
const name = (about: string) =>
  z.string().check(
    z.maxLength(63, { error: 'a name has 63 letters at most' }),
    z.regex(NAME, {
      error: 'a name is letters, digits, "_", "." and "-", and begins with a letter or a digit',
    }),
    z.describe(about),
  )

export const PoolJson = named(
  'Pool',
  z.strictObject({
    subnet: text('`192.168.8.0/24` or `2001:db8::/64`'),
    range: z.optional(
      z
        .strictObject({ first: text('first address'), last: text('last address') })
        .check(z.describe('addresses handed out by themselves; default: all that may be')),
    ),
    gateway: z.optional(text('never handed out; the default route of endpoints')),
    exclude: z
      ._default(z.array(z.strictObject({ name: z.string(), address: z.string() })), [])
      .check(z.describe('addresses never handed out, each with the name it was given, or ""')),
  }),
)

/** Keys of a network that its maker chooses. */
const SPEC = {
  name: name('what the network is called'),
  kind: z.enum(['macvlan', 'ipvlan']),
  macvlanMode: z.optional(word('private', 'vepa', 'bridge', 'passthru', 'source')),
  sources: z.optional(
    z.array(z.string()).check(z.describe('mode source: the MAC addresses that are heard')),
  ),
  ipvlanMode: z.optional(word('l2', 'l3', 'l3s')),
  ipvlanFlag: z.optional(word('bridge', 'private', 'vepa')),
  parent: z.optional(text('`eth0`, or `eth0.50` for a VLAN; absent = an internal dummy link')),
  vlan: z.optional(whole(1, 4094, 'VLAN on the parent')),
  segment: z.optional(text('the broadcast domain; default parent and VLAN')),
  pools: z._default(z.array(PoolJson), []),
  mtu: z.optional(whole(68, 65535, 'bytes; default the parent’s')),
  parentMtu: z.optional(
    whole(
      68,
      65535,
      'bytes: the parent is given this MTU while the network is there, if it has less',
    ),
  ),
  parentPromisc: z.optional(flag('the parent is promiscuous while the network is there')),
  hostAccess: z._default(flag('the host itself reaches the endpoints'), true),
  internal: z._default(flag('no default route'), false),
  check: z
    ._default(z.enum(['auto', 'always', 'never']), 'auto')
    .check(z.describe('ask the LAN before an address is handed out')),
  attach: z
    ._default(z.enum(['child', 'veth']), 'child')
    .check(z.describe('veth: endpoints are ports of the bridge that the parent belongs to')),
  labels: z._default(z.record(z.string(), z.string()), {}),
}

export const NetworkSpecJson = named('NetworkSpec', z.strictObject(SPEC))

export const NetworkJson = named(
  'Network',
  z.strictObject({
    id: text('64 hex digits'),
    ...SPEC,
    segment: z.string(),
    parentLink: text('the link endpoints hang on, VLAN included'),
    parentOwned: flag('whether Lanyard made that link, and takes it away with the last network'),
    createdAt: text('ISO 8601'),
  }),
)

export const ConnectJson = named(
  'ConnectRequest',
  z.strictObject({
    endpoint: name('sticky: the same name gets the same address and MAC again'),
    sandbox: text('network namespace: a name, an absolute path, or `pid:N`'),
    addresses: z.optional(z.array(z.string())),
    mac: z.optional(z.string()),
    link: z.optional(text('name of the link inside; default the first free `ethN`')),
    gatewayPriority: z.optional(z.int()),
  }),
)

export const EndpointJson = named(
  'Endpoint',
  z.strictObject({
    id: z.string(),
    network: z.string(),
    name: z.string(),
    sandbox: z.string(),
    link: z.string(),
    mac: z.string(),
    addresses: z.array(z.string()).check(z.describe('each with its length: `192.168.8.2/24`')),
    gateways: z.array(z.string()),
    gatewayPriority: z.int(),
  }),
)

export const LeaseJson = named(
  'Lease',
  z.strictObject({
    segment: z.string(),
    network: z.string(),
    address: z.string(),
    mac: z.optional(z.string()),
    holder: text('the endpoint, or the name of a reservation'),
    kind: z.enum(['endpoint', 'spare', 'reservation', 'cooldown']),
    since: z.string(),
    host: z.optional(text('of several hosts on one store, the one whose it is')),
  }),
)

export const HolderJson = named(
  'Holder',
  z.strictObject({
    lease: z.optional(LeaseJson),
    ownLink: z.optional(text('the link by which the host itself has it')),
    answeredBy: z.optional(text('MAC address of whoever answers for the address on the LAN')),
  }),
)

export const DriftJson = named(
  'Drift',
  z.strictObject({
    network: z.string(),
    endpoint: z.optional(z.string()),
    what: text('what is not as it should be'),
    mend: z.optional(text('what reconciling does about it; absent when it can do nothing')),
  }),
)

export const EventJson = named(
  'Event',
  z.strictObject({
    at: z.string(),
    what: z.enum([
      'network-created',
      'network-removed',
      'connected',
      'disconnected',
      'drift',
      'healed',
      'conflict',
      'parent-lost',
      'parent-back',
    ]),
    network: z.string(),
    endpoint: z.optional(z.string()),
    detail: z.string(),
  }),
)

export const PlanJson = named(
  'Plan',
  z.strictObject({
    commands: z.array(z.string()).check(z.describe('the command lines that do the same')),
    ops: z
      .array(z.record(z.string(), z.unknown()))
      .check(z.describe('the plan itself: addresses are numbers, IPv6 ones `{"ip6": text}`')),
  }),
)

export const ReservationJson = named(
  'Reservation',
  z.strictObject({ name: text('what the address is kept for') }),
)

export const VersionJson = named(
  'Version',
  z.strictObject({ version: z.string(), pid: z.int(), state: text('where the state is kept') }),
)

export const FailureJson = named(
  'Failure',
  z.strictObject({
    code: text('switch on this, never on the text'),
    message: z.string(),
    mend: z.optional(text('what would mend it')),
    errno: z.optional(z.string()),
    detail: z.record(z.string(), z.unknown()),
    request: text('id of the request, as in the log and in `x-request-id`'),
  }),
)

export type NetworkSpecJson = z.output<typeof NetworkSpecJson>
export type NetworkJson = z.output<typeof NetworkJson>
export type ConnectJson = z.output<typeof ConnectJson>
export type EndpointJson = z.output<typeof EndpointJson>
export type LeaseJson = z.output<typeof LeaseJson>
export type HolderJson = z.output<typeof HolderJson>
export type DriftJson = z.output<typeof DriftJson>
export type EventJson = z.output<typeof EventJson>
export type PlanJson = z.output<typeof PlanJson>
export type VersionJson = z.output<typeof VersionJson>
export type FailureJson = z.output<typeof FailureJson>
