/**
 * An endpoint comes: lease, record, link, routes, answer. The order is what makes a crash harmless:
 * the address is durable before anything uses it, and the record says what is wanted before the
 * first link is made; from there every later moment is mended by making the kernel as the record
 * says (reconcile.ts).
 */
import { familyOf, formatIp, type Ip, type Prefix } from '../addr/ip.ts'
import { formatMac, isGroupMac, isZeroMac } from '../addr/mac.ts'
import { contains } from '../addr/prefix.ts'
import { planEndpoint, planLeave } from '../driver/endpoint.ts'
import { freeLinkName, LINK_NAME_MAX } from '../driver/names.ts'
import { LanyardError } from '../errors.ts'
import type { Plan } from '../fabric/plan.ts'
import type { NetnsSnapshot } from '../fabric/snapshot.ts'
import type { LeaseWish } from './addresses.ts'
import { applyGently, type Context } from './context.ts'
import { giveBack, takeAway } from './disconnect.ts'
import { endpointsIn, planGateway } from './gateway.ts'
import { dropHostWays, ensureHostChild, planHostWays } from './host-access.ts'
import { checkName, stableMac } from './identity.ts'
import { mendEndpoint } from './mend.ts'
import { joinNetwork } from './join.ts'
import { applyGuarded } from './guard.ts'
import { getNetwork } from './network.ts'
import {
  endpointKey,
  type EndpointRecord,
  findEndpoint,
  type NetworkRecord,
  putEndpoint,
  saveEndpoint,
} from './records.ts'
import { explainRefusal, isGhost } from './refusal.ts'
import type { ConnectRequest, Endpoint, Network } from './types.ts'
import { tellRelease } from './restore.ts'
import { mustBeHere } from './self.ts'
import { orReclaim, yieldSpares } from './reclaim.ts'
import { takenOnLan } from './taken.ts'
import { UndoStack } from './undo-stack.ts'

const GONE = ['ENODEV', 'ENOENT', 'ESRCH'] as const

/**
 * Gives a sandbox a place on a network. The same request again is answered the same, and mends what
 * is missing of it.
 *
 * A crash leaves at most a lease without a record (released by the next reconcile) or a record
 * whose link is not wholly made (finished by it).
 *
 * @throws LanyardError `network-missing`, `netns-missing`, `endpoint-exists`, `endpoint-invalid`,
 * `mac-refused`, `mac-invalid`, `link-taken`, `parent-gone`, `address-on-lan`, `address-of-host`,
 * what ipam says, and what {@link explainRefusal} makes of the kernel's answers
 */
export async function connect(context: Context, request: ConnectRequest): Promise<Endpoint> {
  const { faults } = context
  const { network, found, mayServe } = await askStore(context, request)
  checkRequest(network, request)
  const known = await tellRelease(context, network, found, request.endpoint)
  if (known !== undefined) await mustBeHere(context, known)
  if (known?.phase === 'here') return await again(context, network, known, request)
  await mayServe()
  if (known !== undefined) await takeAway(context, network, known)
  const around = await lookAround(context, network, request)
  const undo = new UndoStack()
  try {
    const endpoint = await claim(context, network, request, around, undo)
    await faults.at('connect:1-record')
    context.sandboxes.add(endpoint)
    context.trusted.add(endpoint.sandbox)
    await makeLink(context, network, endpoint, around.sandbox, undo)
    await faults.at('connect:2-link')
    await faults.at('connect:3-answer')
    const detail = endpoint.addresses.map((a) => formatIp(a.address)).join(', ')
    context.emit({ what: 'connected', network: network.name, endpoint: endpoint.name, detail })
    context.introductions.add(network, endpoint)
    return publicEndpoint(endpoint)
  } catch (error) {
    throw await undo.run(error)
  }
}

/** What an endpoint's coming hangs on, asked for all at once: a store may be a round trip away. */
export async function askStore(
  context: Context,
  request: { readonly network: string; readonly endpoint: string },
): Promise<{
  readonly network: NetworkRecord
  readonly found: EndpointRecord | undefined
  /** @throws LanyardError `host-drained`, `host-forgotten` */
  mayServe(): Promise<void>
}> {
  const { store, self } = context
  checkName(request.endpoint)
  const refreshed = self?.refresh()
  // Who is here already need not know.
  refreshed?.catch(() => undefined)
  const [network, found] = await Promise.all([
    joinNetwork(context, request.network),
    findEndpoint(store, request.network, request.endpoint),
  ])
  const mayServe = async (): Promise<void> => {
    if (refreshed !== undefined) await self?.mayServe(refreshed)
  }
  return { network, found, mayServe }
}

/** Lease and record, durable together in one transaction. */
async function claim(
  context: Context,
  network: NetworkRecord,
  request: ConnectRequest,
  { link, parentMac }: Around,
  undo: UndoStack,
): Promise<EndpointRecord> {
  const { sandboxes } = context
  const { endpoint: name, addresses: wanted } = request
  const isIpvlan = network.kind === 'ipvlan'
  const mac = isIpvlan ? parentMac : macOf(context, network, request)
  const recordOf = (ips: readonly Ip[]) => draft(context, network, request, { link, mac, ips })
  undo.push(async () => {
    sandboxes.remove({ ...request, name })
    await giveBack(context, network, name)
  })
  const wish = {
    endpoint: name,
    mac: isIpvlan ? 'none' : mac,
    addresses: wanted,
    taken: takenOnLan(context, network, isIpvlan ? undefined : mac),
  } as const
  return await leaseWithRecord(context, network, wish, recordOf)
}

/** @throws LanyardError what ipam says */
export async function leaseWithRecord(
  context: Context,
  network: NetworkRecord,
  wish: Omit<LeaseWish, 'also'>,
  recordOf: (ips: readonly Ip[]) => EndpointRecord,
): Promise<EndpointRecord> {
  const also = (leased: readonly Ip[]) => putEndpoint(recordOf(leased))
  const { store, addresses } = context
  await yieldSpares(context, network, wish.addresses)
  const lease = () => addresses.lease(network, { ...wish, also })
  const { addresses: ips, made, revision } = await orReclaim(context, network, lease)
  const endpoint = recordOf(ips)
  const key = endpointKey(network.name, wish.endpoint)
  if (made) return { ...endpoint, unchanged: { key, modRevision: revision } }
  // A lease without a record, of a door that died: it gets one now.
  const known = await findEndpoint(store, network.name, wish.endpoint)
  if (known === undefined) return await saveEndpoint(store, endpoint)
  const { unchanged } = known
  return { ...endpoint, ...(unchanged === undefined ? {} : { unchanged }) }
}

/** What connecting would do; addresses not given are those that are free now. */
export async function planConnect(context: Context, request: ConnectRequest): Promise<Plan> {
  const network = await getNetwork(context, request.network)
  checkRequest(network, request)
  const known = await findEndpoint(context.store, network.name, request.endpoint)
  if (known?.phase === 'here') {
    checkSame(known, request)
    return []
  }
  const { sandbox, link, parentMac } = await lookAround(context, network, request)
  const mac = network.kind === 'ipvlan' ? parentMac : macOf(context, network, request)
  const ips = request.addresses ?? (await context.addresses.next(network))
  const endpoint = draft(context, network, request, { link, mac, ips })
  const inside = [...(await endpointsIn(context, request.sandbox)), { network, endpoint }]
  return [
    ...planEndpoint(network, endpoint, context.host),
    ...planGateway(sandbox, inside),
    ...(await planHostWays(context, network, endpoint)),
  ]
}

export function checkRequest(network: Network, request: ConnectRequest): void {
  const { endpoint, mac, link } = request
  checkName(endpoint)
  const invalid = (why: string) => new LanyardError('endpoint-invalid', { endpoint, why })
  if (
    link !== undefined &&
    (link.length === 0 || link.length > LINK_NAME_MAX || /[\s/]/.test(link))
  )
    throw invalid(
      `"${link}" cannot name a link: 1 to ${LINK_NAME_MAX} characters, no "/", no space`,
    )
  if (mac === undefined) return
  if (network.kind === 'ipvlan')
    throw new LanyardError('mac-refused', { network: network.name, endpoint })
  const text = formatMac(mac)
  if (isZeroMac(mac)) throw new LanyardError('mac-invalid', { mac: text, why: 'it is all zeros' })
  if (isGroupMac(mac))
    throw new LanyardError('mac-invalid', { mac: text, why: 'it is a group address' })
}

/** A repeated request: the same answer, after what is missing was mended. */
async function again(
  context: Context,
  network: NetworkRecord,
  known: EndpointRecord,
  request: ConnectRequest,
): Promise<Endpoint> {
  checkSame(known, request)
  return publicEndpoint(await mendEndpoint(context, network, known))
}

/** @throws LanyardError `endpoint-exists` */
function checkSame(known: EndpointRecord, request: ConnectRequest): void {
  const { network, endpoint } = request
  const held = known.addresses.map((a) => a.address)
  const differs =
    known.sandbox !== request.sandbox
      ? 'sandbox'
      : request.mac !== undefined && request.mac !== known.mac
        ? 'MAC'
        : request.link !== undefined && request.link !== known.link
          ? 'link name'
          : request.addresses?.some((ip) => !held.includes(ip)) === true
            ? 'address'
            : undefined
  if (differs === undefined) return
  const { sandbox } = known
  throw new LanyardError('endpoint-exists', { network, endpoint, sandbox, differs })
}

interface Around {
  readonly sandbox: NetnsSnapshot
  readonly link: string
  readonly parentMac: number
}

/** The sandbox and the parent, as they are; what the endpoint's link will be called. */
export async function lookAround(
  context: Context,
  network: Network,
  request: Pick<ConnectRequest, 'sandbox' | 'link'> & { readonly linkFrom?: number },
): Promise<Around> {
  const { fabric, view } = context
  const asked = { netns: [request.sandbox], parts: ['routes'] } as const
  const [sandbox] = (await fabric.snapshot(asked)).netns
  if (sandbox === undefined) throw new LanyardError('netns-missing', { netns: request.sandbox })
  const names = sandbox.links.map((link) => link.name)
  if (request.link !== undefined && names.includes(request.link))
    throw new LanyardError('link-taken', { sandbox: request.sandbox, link: request.link })
  const parent = await view.link(network.parentLink)
  if (parent === undefined) {
    throw new LanyardError('parent-gone', { parent: network.parentLink, network: network.name })
  }
  const link = request.link ?? freeLinkName(names, request.linkFrom)
  return { sandbox, link, parentMac: parent.address }
}

export function macOf(context: Context, network: Network, request: ConnectRequest): number {
  return request.mac ?? stableMac(context.id, network.name, request.endpoint)
}

export function draft(
  context: Context,
  network: Network,
  request: ConnectRequest,
  got: { readonly link: string; readonly mac: number; readonly ips: readonly Ip[] },
): EndpointRecord {
  const addresses = got.ips.map((ip): Prefix => {
    const pool = network.pools.find(({ subnet }) => contains(subnet, ip))
    return { address: ip, length: pool?.subnet.length ?? (familyOf(ip) === 4 ? 32 : 128) }
  })
  const gateways = addresses.flatMap(({ address }) => {
    const pool = network.pools.find(({ subnet }) => contains(subnet, address))
    return pool?.gateway === undefined || pool.gateway === address ? [] : [pool.gateway]
  })
  return {
    id: `${network.id.slice(0, 12)}-${stableMac(context.id, network.id, request.endpoint).toString(16)}`,
    network: network.name,
    name: request.endpoint,
    sandbox: request.sandbox,
    link: got.link,
    mac: got.mac,
    addresses,
    gateways,
    gatewayPriority: request.gatewayPriority ?? 0,
    ...(context.self === undefined ? {} : { hostId: context.self.id }),
    phase: 'here',
  }
}

/** How long the links of a namespace that ended are waited for, and how often they are tried. */
const GHOST_MS = 2000
const GHOST_EVERY_MS = 50

/**
 * The link, its addresses, the sandbox's default route and the ways between it and its host, in one
 * plan. What a crash leaves of it is finished by the next reconcile.
 */
export async function makeLink(
  context: Context,
  network: Network,
  endpoint: Endpoint,
  sandbox: NetnsSnapshot,
  undo: UndoStack,
): Promise<void> {
  const inside = await endpointsIn(context, endpoint.sandbox, { network, endpoint })
  await ensureHostChild(context, network)
  const plan = [
    ...planEndpoint(network, endpoint, context.host),
    ...planGateway(sandbox, inside),
    ...(await planHostWays(context, network, endpoint)),
  ]
  let made = false
  const takeBack = async (): Promise<void> => {
    // A name that was taken belongs to somebody else.
    if (!made) return
    await dropHostWays(context, network, endpoint)
    await applyGently(context, planLeave(endpoint), GONE)
    const others = inside.filter(
      (one) => one.endpoint.name !== endpoint.name || one.endpoint.network !== endpoint.network,
    )
    await applyGently(context, planGateway(sandbox, others), GONE)
  }
  undo.push(takeBack)
  for (let waitedMs = 0; !made; waitedMs += GHOST_EVERY_MS) {
    try {
      if (network.macvlanMode === 'passthru') await applyGuarded(context, network, plan)
      else await context.fabric.apply(plan)
      made = true
    } catch (error) {
      made = !isFirstOp(error)
      const why = await explainRefusal(context, network, plan, error, endpoint)
      if (!isGhost(why) || waitedMs >= GHOST_MS) throw why
      await takeBack()
      made = false
      await context.clock.sleep(GHOST_EVERY_MS)
    }
  }
  if (network.attach === 'veth') context.view.forget()
}

/** Whether the very first op was refused, so that nothing was made. */
function isFirstOp(error: unknown): boolean {
  return (
    error instanceof LanyardError &&
    error.code === 'op-refused' &&
    (error.detail as { readonly index: number }).index === 0
  )
}

/** The record without what only the engine wants to know. */
export function publicEndpoint(record: EndpointRecord): Endpoint {
  const { phase: _phase, handed: _handed, unchanged: _unchanged, ...endpoint } = record
  return endpoint
}
