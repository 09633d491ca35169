/** What doors hold while they work: one thing has one name. */
import { endpointKey, networkKey } from './records.ts'

/** One lock for all: doors hold it together, a walk over everything alone. */
export const ALL = '!all'
/** Parents are shared: networks are made and removed one at a time. */
export const NETWORKS_LOCK = '!networks'

/** Of an endpoint: its network together with others, itself and its sandbox alone. */
export function keysOf(request: {
  readonly network: string
  readonly endpoint: string
  readonly sandbox: string
}): [shared: string[], alone: string[]] {
  const { network, endpoint, sandbox } = request
  return [[networkKey(network)], [endpointKey(network, endpoint), `sandbox/${sandbox}`]]
}
