/** What the kernel's short answer means: `EBUSY` with the owner's name, and what mends it. */
import { formatMac } from '../addr/mac.ts'
import { childrenOf } from '../driver/parent.ts'
import type { DriverEndpoint } from '../driver/network.ts'
import { describeMode } from '../driver/network.ts'
import { type ErrorDetail, LanyardError } from '../errors.ts'
import type { Op, Plan } from '../fabric/plan.ts'
import type { LinkSnapshot, Snapshot } from '../fabric/snapshot.ts'
import type { Context } from './context.ts'
import { listEndpoints } from './records.ts'
import type { Network } from './types.ts'

/** The op a plan stopped at, and why. */
interface Refused {
  readonly op: Op
  readonly errno: string
}

function refusedOf(plan: Plan, error: unknown): Refused | undefined {
  if (!(error instanceof LanyardError) || error.code !== 'op-refused') return undefined
  const { index, errno } = error.detail as ErrorDetail<'op-refused'>
  const op = plan[index]
  return op === undefined ? undefined : { op, errno }
}

/**
 * The error of ours for a plan's refusal; the kernel's own is its `cause`. What nobody has a better
 * sentence for is given back as it is.
 */
export async function explainRefusal(
  context: Context,
  network: Network,
  plan: Plan,
  error: unknown,
  endpoint?: DriverEndpoint,
): Promise<unknown> {
  const refused = refusedOf(plan, error)
  if (refused === undefined) return error
  const { op, errno } = refused
  if (op.do === 'link.add') {
    if (errno === 'EOPNOTSUPP' && op.spec.kind !== 'veth') {
      const detail = { kind: op.spec.kind, link: op.name }
      return new LanyardError('kind-missing', detail, { cause: error })
    }
    if (errno === 'EEXIST') {
      const detail = { sandbox: op.netns, link: op.name }
      return new LanyardError('link-taken', detail, { cause: error })
    }
    if (errno === 'ENODEV') return gone(network, error)
    if (errno === 'ENETDOWN') {
      const parent = op.spec.kind === 'vlan' ? (op.spec.parent ?? '') : network.parentLink
      return new LanyardError('parent-down', { parent, network: network.name }, { cause: error })
    }
  }
  // The parent went while its child was being made: the child went with it, and so on.
  if (GONE.includes(errno) && (await isGone(context, network))) return gone(network, error)
  if (op.do !== 'link.add' && op.do !== 'link.set') return error
  if (!['EBUSY', 'EINVAL', 'EADDRINUSE'].includes(errno)) return error
  return await explainOwner(context, network, error, errno, endpoint)
}

/** What ops on a link answer when it is there no more. */
const GONE: readonly string[] = ['ENODEV', 'ENETUNREACH', 'ENETDOWN', 'ENOENT']

async function isGone(context: Context, network: Network): Promise<boolean> {
  const { fabric, host } = context
  const [there] = (await fabric.snapshot({ netns: [host], parts: [] })).netns
  return there !== undefined && !there.links.some(({ name }) => name === network.parentLink)
}

function gone(network: Network, cause: unknown): LanyardError {
  const { parentLink: parent, name } = network
  return new LanyardError('parent-gone', { parent, network: name }, { cause })
}

/** Who has a MAC that no link of any namespace has that can be looked into. */
const NOBODY_SEEN = 'another link'

/** A namespace that ended keeps its links for a moment, and their MACs, where nobody sees them. */
export function isGhost(error: unknown): boolean {
  if (!(error instanceof LanyardError) || error.code !== 'mac-taken') return false
  return (error.detail as ErrorDetail<'mac-taken'>).owner === NOBODY_SEEN
}

/** Looks at all namespaces for who is in the way. Slow, and only on the way to an error. */
async function explainOwner(
  context: Context,
  network: Network,
  error: unknown,
  errno: string,
  endpoint: DriverEndpoint | undefined,
): Promise<unknown> {
  const snapshot = await context.fabric.snapshot()
  const there = snapshot.netns.find((netns) => netns.name === context.host)
  const parent = there?.links.find((link) => link.name === network.parentLink)
  if (parent === undefined) return gone(network, error)
  if (errno === 'EADDRINUSE') {
    if (endpoint === undefined) return error
    const mac = formatMac(endpoint.mac)
    const owner = macOwner(snapshot, context.host, parent, endpoint)
    return new LanyardError('mac-taken', { mac, parent: parent.name, owner }, { cause: error })
  }
  if (parent.master !== undefined) {
    const owner = `it is a port of ${parent.master}`
    const better = parent.master
    const detail = { kind: network.kind, parent: parent.name, owner, better }
    return new LanyardError('parent-busy', detail, { cause: error })
  }
  const sibling = explainSibling(network, snapshot, context.host, parent, error)
  return sibling ?? (await explainAlone(context, network, error, endpoint)) ?? error
}

/** Another endpoint of a passthru network, in a sandbox that cannot be looked into. */
async function explainAlone(
  context: Context,
  network: Network,
  cause: unknown,
  endpoint: DriverEndpoint | undefined,
): Promise<LanyardError | undefined> {
  if (describeMode(network) !== 'macvlan passthru') return undefined
  const all = await listEndpoints(context.store, context.self?.id, network.name)
  const other = all.find(({ name }) => name !== endpoint?.name)
  if (other === undefined) return undefined
  const owner = `endpoint ${network.name}/${other.name}`
  const detail = { parent: network.parentLink, owner, passthru: 'held' } as const
  return new LanyardError('parent-in-use', detail, { cause })
}

function explainSibling(
  network: Network,
  snapshot: Snapshot,
  host: string,
  parent: LinkSnapshot,
  cause: unknown,
): LanyardError | undefined {
  const mine = network.kind
  for (const { netns, link } of childrenOf(snapshot, host, parent)) {
    const owner = nameOf(netns, link)
    const at = { parent: parent.name, owner }
    const other = link.ipvlan === undefined ? 'macvlan' : 'ipvlan'
    if (other !== mine)
      return new LanyardError('parent-kind', { kind: mine, ...at, other }, { cause })
    if (link.macvlan?.mode === 'passthru')
      return new LanyardError('parent-in-use', { ...at, passthru: 'held' }, { cause })
    if (describeMode(network) === 'macvlan passthru')
      return new LanyardError('parent-in-use', { ...at, passthru: 'wanted' }, { cause })
  }
  return undefined
}

/** Who has the MAC; its own link is there already, down, and does not count. */
function macOwner(
  snapshot: Snapshot,
  host: string,
  parent: LinkSnapshot,
  { mac, sandbox, link: own }: DriverEndpoint,
): string {
  if (parent.address === mac) return 'the parent itself'
  const found = childrenOf(snapshot, host, parent).find(
    ({ netns, link }) => link.address === mac && (netns !== sandbox || link.name !== own),
  )
  return found === undefined ? NOBODY_SEEN : nameOf(found.netns, found.link)
}

function nameOf(netns: string, link: LinkSnapshot): string {
  const alias = link.alias?.startsWith('lanyard:') === true ? link.alias.slice(8) : undefined
  const who = alias === undefined ? `link ${link.name}` : `endpoint ${alias}`
  return netns === '' ? who : `${who} in namespace ${netns}`
}
