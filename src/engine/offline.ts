/**
 * The doors while the store is away: an endpoint that comes takes a spare at once, and its record
 * is made in the store when that is back (land.ts). What only the store can say is refused.
 */
import { formatIp, type Ip } from '../addr/ip.ts'
import { endpointAlias } from '../driver/names.ts'
import { LanyardError } from '../errors.ts'
import { claim, unclaim } from './claim.ts'
import { connect } from './connect.ts'
import type { Context } from './context.ts'
import { disconnect } from './disconnect.ts'
import { createEndpoint, leave } from './endpoint.ts'
import {
  endpointGone,
  findEndpoint,
  findNetwork,
  hereKey,
  type NetworkRecord,
  write,
  missingNetwork,
} from './records.ts'
import { isAway, leaveWithoutStore } from './restore.ts'
import { snapshotOf } from './sandbox.ts'
import { familiesOf, macOfSpare, type Picked, refused, type Spares } from './spares.ts'
import type { ClaimRequest, ConnectRequest, Endpoint, EndpointRequest } from './types.ts'

/** The store does not answer: from now on it is not waited for. */
export function goneAway({ spares, emit }: Context): void {
  if (spares === undefined || spares.away) return
  spares.away = true
  const detail = 'the store does not answer: endpoints that come take spares of this host'
  emit({ what: 'drift', network: '', endpoint: undefined, detail })
}

/** What this host holds is to be looked at before any of it is handed out. */
export function distrust({ spares }: Context): void {
  if (spares !== undefined) spares.trusted = false
}

/**
 * Asks the store, or where it is away, works with what this host has: at once when it is known to
 * be away, else when it has turned out to be.
 *
 * @param own what it is about is this host's alone so far: the store has not heard of it
 */
async function orOffline<T>(
  context: Context,
  network: string,
  doors: {
    readonly own: boolean
    readonly online: () => Promise<T>
    readonly offline: (island: Context, spares: Spares) => Promise<T>
  },
): Promise<T> {
  const { spares, island } = context
  if (spares === undefined || island === undefined) return await doors.online()
  const offline = async (): Promise<T> => await doors.offline(await island.open(), spares)
  if (doors.own || (spares.away && spares.serves(network))) return await offline()
  try {
    return await doors.online()
  } catch (error) {
    if (!isAway(error)) throw error
    goneAway(context)
    if (!spares.serves(network)) throw error
    return await offline()
  }
}

/** Whether there is something that the store is to be told when it is back. */
export const hasNews = ({ spares, copy }: Context): boolean =>
  spares !== undefined &&
  (spares.away || spares.endpoints.length > 0 || (copy?.releases.length ?? 0) > 0)

/** Whether an endpoint came while the store was away, and the store does not know it yet. */
export const isOwn = ({ spares }: Context, network: string, endpoint: string): boolean =>
  spares?.holds(network, endpoint) === true

/** Does something with what the store says, or of what is this host's alone, with the island. */
export async function onOwn<T>(
  context: Context,
  own: boolean,
  work: (context: Context) => Promise<T>,
): Promise<T> {
  return await work(own && context.island !== undefined ? await context.island.open() : context)
}

/** What the store says, or while it is away what this host knows. */
export async function seen<T>(
  context: Context,
  look: (context: Context) => Promise<T>,
): Promise<T> {
  return await onOwn(context, context.spares?.away === true, look)
}

/**
 * As {@link leave}. While the store is away what it knows of stays as it is: the disconnect that
 * follows takes the link away.
 */
export async function leaveAnyway(
  context: Context,
  at: { readonly network: string; readonly endpoint: string },
): Promise<void> {
  const own = isOwn(context, at.network, at.endpoint)
  if (!own && context.spares?.away === true) return
  await onOwn(context, own, (one) => leave(one, at))
}

/** As {@link connect}; while the store is away, on a spare. */
export async function connectAnyway(context: Context, request: ConnectRequest): Promise<Endpoint> {
  return await orOffline(context, request.network, {
    own: isOwn(context, request.network, request.endpoint),
    online: () => connect(context, request),
    offline: (island, spares) => connectOffline(context, island, spares, request),
  })
}

/** As {@link createEndpoint}; while the store is away, on a spare. */
export async function createAnyway(context: Context, request: EndpointRequest): Promise<Endpoint> {
  return await orOffline(context, request.network, {
    own: isOwn(context, request.network, request.endpoint),
    online: () => createEndpoint(context, request),
    offline: (island, spares) => createOffline(context, island, spares, request),
  })
}

/** As {@link claim}; while the store is away, of a spare. */
export async function claimAnyway(context: Context, request: ClaimRequest): Promise<Ip> {
  return await orOffline(context, request.network, {
    own: false,
    online: () => claim(context, request),
    offline: (island, spares) => claimOffline(context, island, spares, request),
  })
}

/**
 * As {@link unclaim}, of spares, too. While the store is away nobody waits for the rest: a claim
 * that nobody comes back for is let go of after a minute.
 */
export async function unclaimAnyway(context: Context, network: string, ip: Ip): Promise<void> {
  const own = context.spares?.isClaimed(network, ip) === true
  if (!own && context.spares?.away === true) return
  await onOwn(context, own, (one) => unclaim(one, network, ip))
}

async function connectOffline(
  main: Context,
  island: Context,
  spares: Spares,
  request: ConnectRequest,
): Promise<Endpoint> {
  const { network: name, endpoint } = request
  if (spares.holds(name, endpoint)) return await connect(island, request)
  const network = await takes(main, island, request)
  const there = await snapshotOf(main, request.sandbox)
  const alias = endpointAlias(name, endpoint)
  if (there?.links.some((link) => link.alias === alias) === true)
    throw refused(name, `of endpoint ${endpoint} there is a link that only the store knows about`)
  return await onPicked(spares, network, request.addresses, false, async ({ addresses }) =>
    connect(island, { ...request, addresses, ...borne(main, network, addresses) }),
  )
}

async function createOffline(
  main: Context,
  island: Context,
  spares: Spares,
  request: EndpointRequest,
): Promise<Endpoint> {
  if (spares.holds(request.network, request.endpoint)) return await createEndpoint(island, request)
  const network = await takes(main, island, request)
  return await onPicked(spares, network, request.addresses, true, async ({ addresses }) =>
    createEndpoint(island, { ...request, addresses, ...borne(main, network, addresses) }),
  )
}

async function claimOffline(
  main: Context,
  island: Context,
  spares: Spares,
  request: ClaimRequest,
): Promise<Ip> {
  const { name, address, family } = request
  const network = await takes(main, island, { ...request, endpoint: name ?? '' })
  const wanted = address === undefined ? undefined : [address]
  return await onPicked(
    spares,
    network,
    wanted,
    false,
    async ({ addresses }) => claim(island, { ...request, address: addresses[0] }),
    [family],
  )
}

/**
 * A disconnect while the store is away, or of what took a spare: the store, which may have heard of
 * either, is told later.
 *
 * @returns whether it was done
 */
export async function disconnectOffline(
  main: Context,
  network: string,
  name: string,
  isAway: boolean,
): Promise<boolean> {
  const { copy, spares } = main
  if (isOwn(main, network, name) && main.island !== undefined) {
    copy?.journal({ network, name })
    await disconnect(await main.island.open(), network, name)
    return true
  }
  if (!isAway && spares?.away !== true) return false
  if (!(await leaveWithoutStore(main, network, name))) return false
  if (main.island !== undefined) await forget(await main.island.open(), network, name)
  return true
}

/**
 * The network, when an endpoint of this name may come on a spare.
 *
 * @throws LanyardError `network-missing`, `spare-refused`
 */
async function takes(
  main: Context,
  island: Context,
  request: {
    readonly network: string
    readonly endpoint: string
    readonly addresses?: readonly Ip[]
    readonly mac?: number
  },
): Promise<NetworkRecord> {
  const { network: name, endpoint, addresses = [], mac } = request
  const network = await findNetwork(island.store, name, island.self?.id)
  if (network?.phase !== 'ready' || !network.joined) throw await missingNetwork(island.store, name)
  if (mac !== undefined)
    throw refused(name, 'whether somebody bears a MAC that is asked for only it can say')
  if (endpoint === '') return network
  for (const ip of await main.addresses.keptFor(network, endpoint))
    if (!addresses.includes(ip) && formatIp(ip) !== endpoint)
      throw refused(name, `${formatIp(ip)}, which is kept for ${endpoint}, only it can hand out`)
  const { copy, sandboxes, self } = main
  const gone = copy?.releases.some((one) => one.network === name && one.name === endpoint) === true
  const here = hereKey(self?.id ?? '', name, endpoint)
  if (!gone && (here in (copy?.entries ?? {}) || sandboxes.has(name, endpoint)))
    throw refused(name, `how endpoint ${endpoint} is now only it can say`)
  await forget(island, name, endpoint)
  return network
}

/** What the store was last heard to say of an endpoint that went since. */
async function forget({ store }: Context, network: string, name: string): Promise<void> {
  const old = await findEndpoint(store, network, name)
  if (old !== undefined) await write(store, ...endpointGone(old))
}

function borne(
  main: Context,
  { kind, segment }: NetworkRecord,
  [address]: readonly Ip[],
): { readonly mac?: number } {
  if (kind === 'ipvlan' || address === undefined) return {}
  return { mac: macOfSpare(main, segment, address) }
}

/** Tries spares until one is not somebody else's on the LAN by now. */
async function onPicked<T>(
  spares: Spares,
  network: NetworkRecord,
  wanted: readonly Ip[] | undefined,
  claimed: boolean,
  work: (picked: Picked) => Promise<T>,
  families = familiesOf(network),
): Promise<T> {
  for (;;) {
    const picked = spares.pick(network, families, wanted, claimed)
    try {
      return await work(picked)
    } catch (error) {
      const address = takenAddress(error)
      if (address === undefined) throw error
      const spoilt = picked.addresses.filter((ip) => formatIp(ip) === address)
      for (const ip of spoilt) spares.spoil(network.name, ip)
      if (spoilt.length === 0 || wanted?.some((ip) => spoilt.includes(ip)) === true) throw error
    } finally {
      picked.done()
    }
  }
}

function takenAddress(error: unknown): string | undefined {
  if (!(error instanceof LanyardError)) return undefined
  if (!['address-on-lan', 'address-lingers', 'address-of-host'].includes(error.code))
    return undefined
  return (error.detail as { readonly address: string }).address
}
