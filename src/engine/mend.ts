/** An endpoint as it is, beside what its record says; and what makes it so again. */
import type { Mac } from '../addr/mac.ts'
import { formatPrefix, samePrefix } from '../addr/prefix.ts'
import { planEndpoint } from '../driver/endpoint.ts'
import { endpointAlias, freeLinkName } from '../driver/names.ts'
import { macvlanModeOf } from '../driver/network.ts'
import { LanyardError } from '../errors.ts'
import type { Op, Plan } from '../fabric/plan.ts'
import type { LinkSnapshot, NetnsSnapshot } from '../fabric/snapshot.ts'
import type { Context } from './context.ts'
import { snapshotOf } from './sandbox.ts'
import { endpointsIn, planGateway } from './gateway.ts'
import { ensureHostChild, planHostWays } from './host-access.ts'
import { type EndpointRecord, saveEndpoint } from './records.ts'
import { explainRefusal } from './refusal.ts'
import { leaseBack, standsBack } from './stand-back.ts'
import type { Network } from './types.ts'

/** What is wrong with an endpoint. */
export interface EndpointState {
  /** In words; empty when all is well. */
  readonly wrong: readonly string[]
  /** The record with what the sandbox says of its link's name. */
  readonly endpoint: EndpointRecord
  readonly plan: Plan
  /** Its link was gone: the LAN has to be told once it is back. */
  readonly remade: boolean
}

/** Compares an endpoint with its sandbox. */
export function inspectEndpoint(
  network: Network,
  endpoint: EndpointRecord,
  sandbox: NetnsSnapshot,
  host: string,
): EndpointState {
  const alias = endpointAlias(network.name, endpoint.name)
  const link = sandbox.links.find((one) => one.alias === alias)
  if (link === undefined) {
    const taken = sandbox.links.map((one) => one.name)
    const name = taken.includes(endpoint.link) ? freeLinkName(taken) : endpoint.link
    const moved = { ...endpoint, link: name }
    const wrong = [`its link ${endpoint.link} is missing`]
    const plan = planEndpoint(network, moved, host)
    return { wrong, endpoint: moved, plan, remade: true }
  }
  const there = link.name === endpoint.link ? endpoint : { ...endpoint, link: link.name }
  const wrong: string[] = there === endpoint ? [] : [`its link is called ${link.name} now`]
  const ops: Op[] = []
  const at = { netns: endpoint.sandbox, name: link.name }
  for (const address of endpoint.addresses) {
    const has = sandbox.addresses.some(
      (a) => a.link === link.name && samePrefix(a.address, address),
    )
    if (has) continue
    wrong.push(`address ${formatPrefix(address)} is missing`)
    const add = { do: 'address.add', netns: endpoint.sandbox, link: link.name, address } as const
    ops.push(typeof address.address === 'number' ? add : { ...add, nodad: true })
  }
  const mode = wrongMode(network, link)
  if (mode !== undefined) {
    wrong.push(`its mode is ${link.macvlan?.mode ?? ''}`)
    ops.push({ do: 'link.set', ...at, macvlan: { mode } })
  }
  const sources = wrongSources(network, link)
  if (sources !== undefined) {
    wrong.push('its list of source MACs is another')
    ops.push({ do: 'link.set', ...at, macvlan: { sources: { change: 'set', macs: sources } } })
  }
  if (link.macvlan !== undefined && link.address !== endpoint.mac) {
    wrong.push('its MAC was changed')
    ops.push({ do: 'link.set', ...at, address: endpoint.mac })
  }
  if (network.mtu !== undefined && link.mtu !== network.mtu) {
    wrong.push(`its MTU is ${link.mtu}`)
    ops.push({ do: 'link.set', ...at, mtu: network.mtu })
  }
  if (!link.up) {
    wrong.push('its link is down')
    ops.push({ do: 'link.set', ...at, up: true })
  }
  return { wrong, endpoint: there, plan: ops, remade: false }
}

function wrongMode(network: Network, link: LinkSnapshot) {
  if (link.macvlan === undefined) return undefined
  const mode = macvlanModeOf(network)
  return link.macvlan.mode === mode || mode === 'passthru' ? undefined : mode
}

/** The list mode source should have, where it has another. */
function wrongSources(network: Network, link: LinkSnapshot): readonly Mac[] | undefined {
  if (link.macvlan === undefined || macvlanModeOf(network) !== 'source') return undefined
  const wanted = network.sources ?? []
  const has = new Set(link.macvlan.sources)
  const same = has.size === new Set(wanted).size && wanted.every((mac) => has.has(mac))
  return same ? undefined : wanted
}

/** Which of its ways, to the rest of the world and to its host, an endpoint has lost. */
export async function lostWays(
  context: Context,
  network: Network,
  endpoint: EndpointRecord,
  sandbox: NetnsSnapshot,
): Promise<string[]> {
  const inside = await endpointsIn(context, endpoint.sandbox)
  const lost: string[] = []
  const gone = planGateway(sandbox, inside).some(
    (op) =>
      op.do === 'route.replace' &&
      op.link === endpoint.link &&
      !sandbox.routes.some(
        ({ to, link, via }) =>
          link === op.link && via === op.via && samePrefix(to, op.to) && to.length === 0,
      ),
  )
  if (gone) lost.push('its default route is missing')
  const ways = await planHostWays(context, network, endpoint)
  const unknown = ways.some(
    (op) =>
      op.do === 'neighbour.replace' &&
      op.netns === endpoint.sandbox &&
      !sandbox.neighbours.some(
        ({ link, ip, mac }) => link === op.link && ip === op.ip && mac === op.mac,
      ),
  )
  if (unknown) lost.push('it does not know where its host is')
  return lost
}

/**
 * Makes an endpoint as its record says.
 *
 * @returns the record, which may have learned a new name of its link
 * @throws LanyardError `netns-missing`, `parent-gone`, what the kernel refuses, and where it stands
 * back, who holds what it has
 */
export async function mendEndpoint(
  context: Context,
  network: Network,
  endpoint: EndpointRecord,
): Promise<EndpointRecord> {
  // What another host holds must not come up by being asked for again.
  if (standsBack(context, endpoint)) await leaseBack(context, network, endpoint)
  const sandbox = await snapshotOf(context, endpoint.sandbox)
  if (sandbox === undefined) throw new LanyardError('netns-missing', { netns: endpoint.sandbox })
  const state = inspectEndpoint(network, endpoint, sandbox, context.host)
  // Written anew, the record is not the one that a request still on its way to the store means: a
  // disconnect whose asker was told that nobody knows, and who then connected again.
  if (context.self !== undefined && state.wrong.length === 0)
    await saveEndpoint(context.store, endpoint)
  await applyState(context, network, state, sandbox)
  return state.endpoint
}

/** Does what an inspection found to do, the ways to and from the endpoint included. */
export async function applyState(
  context: Context,
  network: Network,
  state: EndpointState,
  sandbox: NetnsSnapshot,
): Promise<void> {
  const { endpoint, plan, remade, wrong } = state
  if (wrong.length > 0) await saveEndpoint(context.store, endpoint)
  try {
    await context.fabric.apply(plan)
  } catch (error) {
    throw await explainRefusal(context, network, plan, error, endpoint)
  }
  if (network.attach === 'veth' && remade) context.view.forget()
  await ensureHostChild(context, network)
  const inside = (await endpointsIn(context, endpoint.sandbox)).map((one) => {
    // Its route went with its link, and who programmed it does not look again.
    if (!remade || one.endpoint.name !== endpoint.name) return one
    const { gatewayBy: _gatewayBy, ...ours } = one.endpoint
    return { ...one, endpoint: ours }
  })
  const ways = [
    ...planGateway(sandbox, inside),
    ...(await planHostWays(context, network, endpoint)),
  ]
  await context.fabric.apply(ways)
  if (remade) context.introductions.add(network, endpoint)
}
