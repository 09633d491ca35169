/** Opens the place a lab runs in. */
import type { Fabric } from '../fabric/fabric.ts'
import { namespacesOf } from '../lab/plan.ts'
import { namingOf, type RunOptions } from '../lab/run.ts'
import { simReason } from '../lab/why.ts'
import type { Topology } from '../lab/topology.ts'
import { openSim, SimFabric } from '../sim/fabric.ts'

export interface Place {
  /** The fabric of a combination. */
  readonly open: RunOptions['open']
  readonly atOnce: number
  readonly reason?: RunOptions['reason']
  close(): Promise<void>
}

/** Combinations at once on a kernel: pings that fail wait, and wait together. */
const AT_ONCE = 16

/**
 * @throws LanyardError `needs-root`, `lab-running`, `netns-exists`
 */
export function openPlace(
  kind: 'sim' | 'kernel',
  seed: number,
  topologies: readonly Topology[],
): Promise<Place> {
  return kind === 'sim' ? Promise.resolve(simPlace(seed)) : kernelPlace(topologies)
}

/** A world of its own for each combination. */
function simPlace(seed: number): Place {
  return {
    open: () => Promise.resolve(openSim({ seed })),
    atOnce: 1,
    reason: (fabric, naming) =>
      fabric instanceof SimFabric ? simReason(fabric, naming) : undefined,
    close: () => Promise.resolve(),
  }
}

/** The one kernel, its namespaces written down before they are made. */
async function kernelPlace(topologies: readonly Topology[]): Promise<Place> {
  const { kernelLabs } = await import('./kernel-labs.ts')
  const labs = kernelLabs()
  const { openKernel } = await import('../kernel/fabric.ts')
  const lab = topologies[0]?.lab ?? ''
  const names = topologies.flatMap((topology, i) => {
    const { prefix } = namingOf('kernel', lab, i + 1, topologies.length)
    return namespacesOf(topology).map((node) => `${prefix}${node}`)
  })
  labs.begin(lab, names)
  const fabric: Fabric = await openKernel()
  return {
    open: () => Promise.resolve(fabric),
    atOnce: AT_ONCE,
    close: async () => {
      try {
        await fabric.close()
      } finally {
        labs.end(lab)
      }
    },
  }
}
