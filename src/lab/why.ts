/** Why a ping of a lab failed, read off the simulator's trace: see explain/decide.ts. */
import { ask } from '../explain/ask.ts'
import type { SimFabric } from '../sim/fabric.ts'
import type { Naming } from './plan.ts'
import { type Ended, type FindReason, type Pair, TIMEOUT_MS } from './probing.ts'

export function simReason(fabric: SimFabric, naming: Naming): FindReason {
  return (pair) => Promise.resolve(endOf(fabric, naming, pair))
}

function endOf(fabric: SimFabric, { prefix }: Naming, pair: Pair): Ended | undefined {
  const { world } = fabric
  const { end } = ask(fabric, {
    protocol: 'icmp',
    ...pair.service,
    from: `${prefix}${pair.from}`,
    to: pair.to === undefined ? undefined : `${prefix}${pair.to}`,
    target: pair.target,
    ...(pair.source === undefined ? {} : { source: pair.source }),
    ...(pair.withinMs === undefined ? {} : { timeoutMs: Math.max(TIMEOUT_MS, pair.withinMs) }),
  })
  if (end?.reason === undefined) return undefined
  const node = world.netnsById[end.netns]?.name.slice(prefix.length) ?? ''
  const [to, device] = [world.devices[end.to], world.devices[end.device]]
  // A bridge decides port by port: the port it did not send to is the place.
  const link = (to?.netns.id === end.netns ? to : device)?.name
  return { code: end.reason, at: link === undefined ? node : `${node}:${link}` }
}
