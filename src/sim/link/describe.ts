/** Options of links as plans and snapshots say them. */
import type { BridgeOptions, MacvlanOptions, PortOptions } from '../../fabric/plan.ts'
import type { BridgePort, BridgeState } from './bridge-state.ts'
import type { MacvlanChild } from './macvlan-state.ts'

export function describeMacvlan(child: MacvlanChild): Required<MacvlanOptions> {
  const { mode, nopromisc, nodst, sources, queueLength } = child
  return {
    mode,
    nopromisc,
    nodst,
    sources: { change: 'set', macs: [...sources] },
    broadcastQueueLength: queueLength,
  }
}

export function describeBridge(own: BridgeState): Required<BridgeOptions> {
  return {
    vlanFiltering: own.vlanFiltering,
    vlanDefaultPvid: own.defaultPvid,
    ageingTime: own.ageingTime,
    forwardDelay: own.forwardDelay,
    stp: own.stp,
    groupForwardMask: own.groupForwardMask,
    multicastSnooping: own.multicastSnooping,
  }
}

export function describePort(port: BridgePort): Required<PortOptions> {
  return {
    hairpin: port.hairpin,
    isolated: port.isolated,
    learning: port.learning,
    flood: port.flood,
    multicastFlood: port.multicastFlood,
    broadcastFlood: port.broadcastFlood,
    locked: port.locked,
    state: port.state,
  }
}
