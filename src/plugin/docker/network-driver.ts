/**
 * NetworkDriver: libnetwork's steps as the engine's. Docker repeats nothing to a network driver
 * after a restart, so each step is durable in the engine before it is answered; and each can be
 * repeated, and finds gone what is gone. Nothing here ever calls Docker: it would wait for us.
 */
import { existsSync } from 'node:fs'
import { familyOf, formatIp, type Ip } from '../../addr/ip.ts'
import { formatMac, parseMac } from '../../addr/mac.ts'
import { contains, formatPrefix } from '../../addr/prefix.ts'
import { linkRoutes, routesByLink } from '../../engine/gateway.ts'
import type { DoorEngine, Endpoint, Network, NetworkSpec } from '../../engine/types.ts'
import { LanyardError } from '../../errors.ts'
import { type IpamDesk, nameOf } from './ipam-driver.ts'
import { FAST_LABEL, ID_LABEL, networkName, POOLS_LABEL } from './networks.ts'
import { ADDRESS_SPACE, addressOf, type Pool, poolSpecOf } from './pools.ts'
import { type JoinAnswer, LABEL, type PoolData, type Request } from './protocol.ts'

/** How words of `-o` become a network: shared with the command line. */
export type ReadSpec = (asked: {
  readonly name: string
  readonly options: Readonly<Record<string, string>>
  readonly pools: NetworkSpec['pools']
  readonly internal: boolean
  readonly labels: Readonly<Record<string, string>>
}) => NetworkSpec

export interface NetworkDesk extends IpamDesk {
  readonly readSpec: ReadSpec
  /** Tells whoever runs the daemon something worth knowing, once. */
  readonly tell: (sentence: string) => void
}

/** Addresses are this host's affair; who is reached by them is the whole LAN's. */
export const NETWORK_CAPABILITIES = {
  Scope: 'local',
  ConnectivityScope: 'global',
  GwAllocChecker: true,
}

/** Since Docker 28: no gateway is made up for a user who gave none. */
export const GATEWAY_CHECK = { SkipIPv4: true, SkipIPv6: true }

const refuse = (why: string): LanyardError => new LanyardError('docker-refused', { why })

/** @throws LanyardError what reading the options and the engine say */
export async function createNetwork(
  desk: NetworkDesk,
  request: Request<'NetworkDriver.CreateNetwork'>,
): Promise<unknown> {
  const { NetworkID: id, Options: options, IPv4Data, IPv6Data } = request
  const data = [...(IPv4Data ?? []), ...(IPv6Data ?? [])]
  const known = (await desk.engine.networks()).find((one) => one.labels[ID_LABEL] === id)
  if (known !== undefined) return {}
  if ((IPv4Data ?? []).some((one) => /^0\.0\.0\.0\/0$/.test(one.Pool ?? '')))
    throw refuse('ipv4 pool is empty: "--ipam-driver null" leaves Lanyard without addresses')
  const ours = data.some((one) => one.AddressSpace === ADDRESS_SPACE)
  const found = data.map((one) => {
    const pool = ours ? poolOf(desk, one) : undefined
    return { one: pool === undefined ? one : asGiven(desk, pool, one), pool }
  })
  const { fast = 'true', ...given } = wordsOf(options?.[LABEL.generic])
  if (!['true', 'false'].includes(fast))
    throw refuse(`driver option fast is true or false, not "${fast}"`)
  const asked = desk.readSpec({
    name: networkName(id),
    options: ours ? given : withoutCheck(desk, id, given),
    pools: found.map(({ one, pool }) => poolSpecOf(one, pool?.range)),
    internal: options?.[LABEL.internal] === true,
    labels: {},
  })
  const ownLabels = {
    [ID_LABEL]: id,
    [POOLS_LABEL]: found.flatMap(({ pool }) => pool?.id ?? []).join(' '),
    [FAST_LABEL]: fast,
  }
  const network = await desk.engine.createNetwork({ ...asked, ownLabels })
  desk.networks.add(network)
  for (const { pool } of found) if (pool !== undefined) desk.waiting.forget(pool.id)
  return {}
}

function poolOf({ waiting }: NetworkDesk, data: PoolData): Pool {
  const pool = waiting.find(data)
  if (pool !== undefined) return pool
  throw refuse(`the daemon was restarted while Docker asked for ${data.Pool}: create it once more`)
}

/**
 * Without a gateway its user gave: a default route to where nobody is would be worse than none, and
 * Docker makes none up since 29.
 */
function asGiven({ waiting }: NetworkDesk, pool: Pool, data: PoolData): PoolData {
  const { Gateway } = data
  return Gateway && waiting.isInvented(pool, addressOf(Gateway)) ? { ...data, Gateway: '' } : data
}

function wordsOf(generic: unknown): Record<string, string> {
  if (typeof generic !== 'object' || generic === null) return {}
  return Object.fromEntries(Object.entries(generic).map(([key, value]) => [key, String(value)]))
}

/** Docker's own IPAM hands addresses out without asking anybody. */
function withoutCheck(
  desk: NetworkDesk,
  id: string,
  given: Record<string, string>,
): Record<string, string> {
  const { check = 'never' } = given
  if (check === 'always')
    throw refuse('driver option check=always needs "--ipam-driver lanyard": Docker asks nobody')
  desk.tell(
    `network ${networkName(id)} has Docker's addresses: the LAN is not asked before one is handed` +
      ' out, and an address may change with each start ("--ipam-driver lanyard" does both)',
  )
  return { ...given, check: 'never' }
}

/** Late deletes are normal: one that is gone is a success, and what is left on it goes too. */
export async function deleteNetwork(
  desk: NetworkDesk,
  request: Request<'NetworkDriver.DeleteNetwork'>,
): Promise<unknown> {
  await removeNetwork(desk, networkName(request.NetworkID))
  return {}
}

/** Docker says that nothing is on it: endpoints it forgot while nobody listened go first. */
export async function removeNetwork(desk: IpamDesk, name: string): Promise<void> {
  const { engine, networks } = desk
  for (const { id, name: endpoint } of await engine.endpoints(name)) {
    await gently(engine.disconnect(name, endpoint))
    networks.removeEndpoint(id)
  }
  await gently(engine.removeNetwork(name, { here: true }))
  networks.remove(name)
}

/** A network that is gone is a success. */
async function gently(work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!(error instanceof LanyardError) || error.code !== 'network-missing') throw error
  }
}

/** What `--driver-opt` may say of an endpoint. */
const ENDPOINT_OPTIONS = ['ifname', 'mac'] as const

function endpointOptions(options: Readonly<Record<string, unknown>> | null) {
  const given: { ifname?: string; mac?: string } = {}
  for (const [key, value] of Object.entries(options ?? {})) {
    if (key === LABEL.linkName) given.ifname = String(value)
    if (key.startsWith('com.docker.')) continue
    const known = ENDPOINT_OPTIONS.find((one) => one === key)
    if (known === undefined) {
      const all = ENDPOINT_OPTIONS.join(', ')
      throw refuse(`unknown driver option "${key}" of an endpoint: there is ${all}`)
    }
    given[known] = String(value)
  }
  return given
}

/** @throws LanyardError what the engine says */
export async function createEndpoint(
  desk: NetworkDesk,
  request: Request<'NetworkDriver.CreateEndpoint'>,
): Promise<unknown> {
  const { NetworkID, EndpointID, Interface: given, Options } = request
  const name = networkName(NetworkID)
  const addresses = [given?.Address, given?.AddressIPv6].flatMap((text) =>
    text ? [addressOf(text)] : [],
  )
  if (addresses.length === 0) throw refuse('Docker gave the endpoint no address')
  const { ifname, mac } = endpointOptions(Options)
  const asked = given?.MacAddress || mac
  const endpoint = await desk.engine.createEndpoint({
    network: name,
    endpoint: nameOf(desk.networks, name, addresses),
    id: EndpointID,
    addresses,
    ...(asked ? { mac: parseMac(asked) } : {}),
    ...(ifname === undefined ? {} : { link: ifname }),
  })
  desk.networks.addEndpoint(endpoint)
  // Docker refuses an answer that says again what it said, and ipvlan has none to say.
  const silent = Boolean(given?.MacAddress) || (await isIpvlan(desk.engine, name))
  return { Interface: silent ? {} : { MacAddress: formatMac(endpoint.mac) } }
}

async function isIpvlan(engine: DoorEngine, name: string): Promise<boolean> {
  return (await engine.network(name)).kind === 'ipvlan'
}

export async function deleteEndpoint(
  desk: IpamDesk,
  request: Request<'NetworkDriver.DeleteEndpoint'>,
): Promise<unknown> {
  const name = desk.networks.endpoint(request.EndpointID)
  if (name === undefined) return {}
  await gently(desk.engine.disconnect(networkName(request.NetworkID), name))
  desk.networks.removeEndpoint(request.EndpointID)
  return {}
}

/** Links made in place are called so: Docker counts from eth0 and never meets them. */
const FIRST_OWN = 100

/**
 * The link is made in the sandbox itself where that is running already (connect), which spares
 * Docker two thirds of its work; for a container that starts, Docker takes it and calls it eth0.
 *
 * @throws LanyardError what the engine says
 */
export async function join(
  desk: NetworkDesk,
  request: Request<'NetworkDriver.Join'>,
): Promise<JoinAnswer> {
  const { NetworkID, EndpointID, SandboxKey: sandbox } = request
  const network = await desk.engine.network(networkName(NetworkID))
  const endpoint = desk.networks.endpoint(EndpointID)
  if (endpoint === undefined) {
    throw refuse(`network ${network.name} has no endpoint ${networkName(EndpointID)}`)
  }
  const at = { network: network.name, endpoint, sandbox } as const
  const ways = waysOf(network)
  if (network.labels[FAST_LABEL] !== 'false' && existsSync(sandbox)) {
    const joined = await inPlace(desk, network, at)
    if (joined !== undefined) return answerOf(network, joined, ways)
  }
  const joined = await desk.engine.join({ ...at, handOver: true })
  const wanted = joined.wantedLink
  const InterfaceName = {
    SrcName: joined.link,
    DstPrefix: 'eth',
    // Heard by Docker since 29.8.
    ...(wanted === undefined ? {} : { DstName: wanted }),
  }
  return { InterfaceName, ...answerOf(network, joined, ways) }
}

/** Undefined when the sandbox is not there yet, or nothing runs in it. */
async function inPlace(
  { engine }: NetworkDesk,
  network: Network,
  at: { readonly network: string; readonly endpoint: string; readonly sandbox: string },
): Promise<Endpoint | undefined> {
  const routed = routesByLink(network)
  try {
    return await engine.join({
      ...at,
      linkFrom: FIRST_OWN,
      ...(routed ? {} : { gatewayBy: 'sandbox' }),
    })
  } catch (error) {
    if (error instanceof LanyardError && error.code.startsWith('netns-')) return undefined
    throw error
  }
}

interface Ways {
  readonly routed: boolean
  readonly gateways: readonly {
    readonly subnet: Network['pools'][number]['subnet']
    readonly ip: Ip
  }[]
}

function waysOf(network: Network): Ways {
  const gateways = network.pools.flatMap(({ subnet, gateway }) =>
    gateway === undefined ? [] : [{ subnet, ip: gateway }],
  )
  return { routed: routesByLink(network), gateways: network.internal ? [] : gateways }
}

/**
 * Always says who the gateway is, or that there is none: else Docker would add a second link, on a
 * bridge of its own, and send everything there.
 */
function answerOf(network: Network, endpoint: Endpoint, { routed, gateways }: Ways): JoinAnswer {
  const none = { DisableGatewayService: true } as const
  if (routed) {
    const StaticRoutes = linkRoutes(network, endpoint).map(
      (to) => ({ Destination: formatPrefix(to), RouteType: 1 }) as const,
    )
    return { StaticRoutes, ...none }
  }
  if (network.internal) return none
  const of = (family: 4 | 6): string | undefined => {
    const mine = endpoint.addresses.find((a) => familyOf(a.address) === family)
    const found = gateways.find(
      ({ subnet }) => mine !== undefined && contains(subnet, mine.address),
    )
    return found === undefined ? undefined : formatIp(found.ip)
  }
  const [four, six] = [of(4), of(6)]
  // Docker before 28 never looks for the gateway of IPv6 where there is none of IPv4.
  if (four === undefined && six !== undefined) {
    return { StaticRoutes: [{ Destination: '::/0', RouteType: 0, NextHop: six }], ...none }
  }
  return {
    ...(four === undefined ? {} : { Gateway: four }),
    ...(six === undefined ? {} : { GatewayIPv6: six }),
    ...none,
  }
}

export async function leave(
  desk: IpamDesk,
  request: Request<'NetworkDriver.Leave'>,
): Promise<unknown> {
  const name = desk.networks.endpoint(request.EndpointID)
  if (name === undefined) return {}
  await desk.engine.leave(networkName(request.NetworkID), name)
  return {}
}
