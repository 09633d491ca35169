/**
 * The steps of {@link connect}, each for itself, for doors that are asked for them one by one:
 * an endpoint that has addresses and no sandbox yet, its joining one, its leaving.
 */
import { formatIp, type Ip } from '../addr/ip.ts'
import type { Mac } from '../addr/mac.ts'
import { planHandOver } from '../driver/endpoint.ts'
import { handOverName } from '../driver/names.ts'
import { LanyardError } from '../errors.ts'
import { claimedOf, claimLock, isPinned, takenOver } from './claim.ts'
import {
  askStore,
  checkRequest,
  draft,
  leaseWithRecord,
  lookAround,
  macOf,
  makeLink,
  publicEndpoint,
} from './connect.ts'
import { applyGently, type Context } from './context.ts'
import { giveBack, removeLink, takeAway } from './disconnect.ts'
import { dropHostWays, ensureHostChild, planHostWays } from './host-access.ts'
import { inspectEndpoint, mendEndpoint } from './mend.ts'
import { applyGuarded } from './guard.ts'
import { getNetwork } from './network.ts'
import {
  endpointKey,
  type EndpointRecord,
  findEndpoint,
  findNetwork,
  type NetworkRecord,
  saveEndpoint,
} from './records.ts'
import { tellRelease } from './restore.ts'
import { mustBeHere } from './self.ts'
import { explainRefusal } from './refusal.ts'
import { snapshotOf } from './sandbox.ts'
import { stableMac } from './identity.ts'
import { takenOnLan } from './taken.ts'
import type { ConnectRequest, Endpoint, EndpointRequest, JoinRequest } from './types.ts'
import { UndoStack } from './undo-stack.ts'

const GONE = ['ENODEV', 'ENOENT', 'ESRCH'] as const
/**
 * A runtime takes its link within milliseconds; one that starts many containers at once on a slow
 * machine, within minutes. It is looked for less and less often.
 */
const HAND_OVER_MS = 10 * 60_000
const HAND_OVER_FIRST_MS = 25
const HAND_OVER_LAST_MS = 500

/**
 * An endpoint in no sandbox: its addresses and MAC are its own from now on. The same request again
 * is answered the same. Addresses that were claimed are taken over.
 *
 * A crash leaves it whole or not at all.
 *
 * @throws LanyardError `network-missing`, `endpoint-exists`, `endpoint-invalid`, `mac-refused`,
 * `mac-invalid`, `parent-gone`, and what ipam says
 */
export async function createEndpoint(
  context: Context,
  request: EndpointRequest,
): Promise<Endpoint> {
  const { network, found, mayServe } = await askStore(context, request)
  const asked = { ...request, sandbox: '' }
  checkRequest(network, asked)
  const known = await tellRelease(context, network, found, request.endpoint)
  if (known !== undefined) await mustBeHere(context, known)
  await mayServe()
  if (known !== undefined && known.phase !== 'leaving' && known.id === request.id)
    return publicEndpoint(known)
  // The door knows nothing of it any more: a runtime that died left it.
  if (known !== undefined) await takeAway(context, network, known)
  const parent = await context.view.link(network.parentLink)
  if (parent === undefined) {
    throw new LanyardError('parent-gone', { parent: network.parentLink, network: network.name })
  }
  const mac = network.kind === 'ipvlan' ? parent.address : macBeside(context, network, asked)
  const undo = new UndoStack()
  try {
    undo.push(() => giveBack(context, network, request.endpoint))
    const { link: wantedLink } = request
    const wish = wantedLink === undefined ? {} : { wantedLink }
    const endpoint = await leaseClaimed(context, network, request, mac, (ips) => ({
      ...draft(context, network, asked, { link: '', mac, ips }),
      ...wish,
      id: request.id,
      phase: 'apart',
    }))
    await context.faults.at('endpoint:1-record')
    return publicEndpoint(endpoint)
  } catch (error) {
    throw await undo.run(error)
  }
}

/**
 * A door that gives the addresses makes its networks and endpoints anew as it likes: what stays is
 * the address in its broadcast domain, and the MAC stays with that.
 */
function macBeside(context: Context, network: NetworkRecord, asked: ConnectRequest): Mac {
  const [address] = asked.addresses ?? []
  if (asked.mac !== undefined || address === undefined) return macOf(context, network, asked)
  return stableMac(context.id, network.segment, formatIp(address))
}

async function leaseClaimed(
  context: Context,
  network: NetworkRecord,
  { endpoint, addresses = [] }: EndpointRequest,
  mac: Mac,
  recordOf: (ips: readonly Ip[]) => EndpointRecord,
): Promise<EndpointRecord> {
  const isIpvlan = network.kind === 'ipvlan'
  const ask = takenOnLan(context, network, isIpvlan ? undefined : mac)
  return await context.locks.run({ alone: [claimLock(network.segment)] }, async () => {
    const claimed = await claimedOf(context, network, addresses)
    const wish = {
      endpoint,
      mac: isIpvlan ? 'none' : mac,
      addresses: addresses.length === 0 ? undefined : addresses,
      claimed,
      pinned: isPinned(context, network, claimed),
      // A claim was asked about when it was made.
      taken: (ip: Ip) => (claimed.includes(ip) ? Promise.resolve(undefined) : ask(ip)),
    } as const
    const record = await leaseWithRecord(context, network, wish, recordOf)
    takenOver(context, network, claimed)
    return record
  })
}

/**
 * Gives an endpoint its link in a sandbox: made there in place, or (`handOver`) made beside the
 * parent for a runtime that moves, names and addresses it itself. The same request again mends.
 *
 * A crash leaves a record whose link is not wholly made; reconcile finishes it, or drops what was
 * to be handed over with the endpoint.
 *
 * @throws LanyardError `network-missing`, `endpoint-missing`, `netns-missing`, `link-taken`,
 * `parent-gone`, and what {@link explainRefusal} makes of the kernel's answers
 */
export async function join(context: Context, request: JoinRequest): Promise<Endpoint> {
  const [network, found] = await Promise.all([
    getNetwork(context, request.network),
    findEndpoint(context.store, request.network, request.endpoint),
  ])
  if (found === undefined || found.phase === 'leaving') throw missing(request)
  const inPlace = found.handed === undefined && request.handOver !== true
  if (found.phase === 'here' && found.sandbox === request.sandbox && inPlace)
    return publicEndpoint(await mendEndpoint(context, network, found))
  const known = found.phase === 'here' ? await leave(context, request) : found
  if (known === undefined) throw missing(request)
  const undo = new UndoStack()
  try {
    undo.push(async () => {
      context.sandboxes.remove({ ...known, sandbox: request.sandbox })
      const now = await findEndpoint(context.store, network.name, known.name)
      if (now?.id === known.id && now.phase === 'here')
        await saveEndpoint(context.store, apart(now))
    })
    const joined =
      request.handOver === true
        ? await handOver(context, network, known, request, undo)
        : await joinInPlace(context, network, known, request, undo)
    await context.faults.at('join:3-answer')
    const detail = `in ${request.sandbox}`
    context.emit({ what: 'connected', network: network.name, endpoint: known.name, detail })
    return publicEndpoint(joined)
  } catch (error) {
    throw await undo.run(error)
  }
}

function missing({ network, endpoint }: JoinRequest): LanyardError {
  return new LanyardError('endpoint-missing', { network, endpoint })
}

async function joinInPlace(
  context: Context,
  network: NetworkRecord,
  known: EndpointRecord,
  request: JoinRequest,
  undo: UndoStack,
): Promise<EndpointRecord> {
  const { wantedLink } = known
  const wish = wantedLink === undefined ? request : { ...request, link: wantedLink }
  const { sandbox, link } = await lookAround(context, network, wish)
  const endpoint = await saveEndpoint(context.store, {
    ...known,
    phase: 'here',
    sandbox: request.sandbox,
    link,
    ...(request.gatewayBy === undefined ? {} : { gatewayBy: request.gatewayBy }),
  })
  context.sandboxes.add(endpoint)
  context.trusted.add(endpoint.sandbox)
  await context.faults.at('join:1-record')
  await makeLink(context, network, endpoint, sandbox, undo)
  await context.faults.at('join:2-link')
  context.introductions.add(network, endpoint)
  return endpoint
}

async function handOver(
  context: Context,
  network: NetworkRecord,
  known: EndpointRecord,
  request: JoinRequest,
  undo: UndoStack,
): Promise<EndpointRecord> {
  const handed = handOverName(network.name, known.name)
  const endpoint = await saveEndpoint(context.store, {
    ...known,
    phase: 'here',
    sandbox: request.sandbox,
    link: handed,
    handed,
    gatewayBy: 'sandbox',
  })
  context.sandboxes.add(endpoint)
  await context.faults.at('join:1-record')
  const plan = planHandOver(network, endpoint, context.host)
  undo.push(() => dropHanded(context, handed))
  try {
    // Of an endpoint of the same name whose runtime died with it half-way.
    await dropHanded(context, handed)
    if (network.macvlanMode === 'passthru') await applyGuarded(context, network, plan)
    else await context.fabric.apply(plan)
  } catch (error) {
    throw await explainRefusal(context, network, plan, error, endpoint)
  }
  await context.faults.at('join:2-link')
  await ensureHostChild(context, network)
  undo.push(() => dropHostWays(context, network, endpoint))
  const ways = await planHostWays(context, network, { ...endpoint, sandbox: context.host })
  // What the endpoint itself is to know it is told where the runtime puts it.
  await context.fabric.apply(
    ways.filter((op) => op.do !== 'neighbour.replace' || op.link !== handed),
  )
  context.background.start(() => afterHandOver(context, network, endpoint))
  return endpoint
}

async function dropHanded(context: Context, name: string): Promise<void> {
  await applyGently(context, [{ do: 'link.del', netns: context.host, name }], GONE)
}

/** Once the runtime has taken the link, the record learns its name, and the LAN is told. */
async function afterHandOver(
  context: Context,
  network: NetworkRecord,
  endpoint: EndpointRecord,
): Promise<void> {
  let pause = HAND_OVER_FIRST_MS
  for (let waited = 0; waited < HAND_OVER_MS && !context.background.ending; waited += pause) {
    await context.clock.sleep(pause)
    pause = Math.min(Math.ceil(pause * 1.1), HAND_OVER_LAST_MS)
    const now = await findEndpoint(context.store, endpoint.network, endpoint.name)
    if (now?.phase !== 'here' || now.id !== endpoint.id || now.sandbox !== endpoint.sandbox) return
    const sandbox = await snapshotOf(context, endpoint.sandbox)
    if (sandbox === undefined) continue
    const state = inspectEndpoint(network, now, sandbox, context.host)
    const arrived =
      !state.remade && sandbox.links.some((l) => l.name === state.endpoint.link && l.up)
    if (!arrived) continue
    await context.locks.run({ alone: [endpointKey(now.network, now.name)] }, async () => {
      const still = await findEndpoint(context.store, now.network, now.name)
      if (still?.phase !== 'here' || still.id !== now.id) return
      const { unchanged } = still
      const learnt = { ...state.endpoint, ...(unchanged === undefined ? {} : { unchanged }) }
      const taken = await saveEndpoint(context.store, learnt)
      context.trusted.add(taken.sandbox)
      const ways = await planHostWays(context, network, taken)
      await applyGently(context, ways, [...GONE, 'EINVAL'])
    })
    context.introductions.add(network, state.endpoint)
    return
  }
}

/**
 * Takes an endpoint's link out of its sandbox; addresses and MAC stay its own. Repeatable.
 * A link that was handed over and taken is the runtime's to move back.
 *
 * @returns its record now; undefined when there is none, or nothing to take out
 */
export async function leave(
  context: Context,
  request: { readonly network: string; readonly endpoint: string },
): Promise<EndpointRecord | undefined> {
  const { store } = context
  const [network, known] = await Promise.all([
    findNetwork(store, request.network, context.self?.id),
    findEndpoint(store, request.network, request.endpoint),
  ])
  if (network === undefined || known?.phase !== 'here') return undefined
  await dropHostWays(context, network, known)
  if (known.handed === undefined) await removeLink(context, known)
  context.sandboxes.remove(known)
  return await saveEndpoint(store, apart(known))
}

const apart = (known: EndpointRecord): EndpointRecord => ({
  ...known,
  phase: 'apart',
  sandbox: '',
  link: '',
})
