/** Where the measured rows are replayed: a fresh simulated Linux each time, or the real kernel. */
import type { Op } from '../../src/fabric/plan.ts'
import type { Fabric } from '../../src/fabric/fabric.ts'
import { openSession, type Output, type Session } from '../../src/shell/session.ts'
import { runCommand } from '../../src/shell/run.ts'
import { openSim } from '../../src/sim/fabric.ts'
import type { Kernel } from './rows.ts'

/** A place commands are run in, with the namespaces they made. */
export interface Place {
  readonly session: Session
  /** The last refusal a fabric reported: its errno is compared where the tool does not print it. */
  lastErrno: string | undefined
  run(line: string): Promise<Output>
  /** Empties neighbour tables and learned forwarding entries everywhere. */
  flush(): Promise<void>
  settle(ms: number): Promise<void>
  close(): Promise<void>
}

export interface Places {
  readonly kind: 'sim' | 'kernel'
  open(kernel: Kernel): Promise<Place>
  /** Which rows this place can speak for. */
  speaksFor(kernel: Kernel): boolean
  close(): Promise<void>
}

/** Names the rows use for their namespaces; nothing else is touched. */
const OURS = /^krn/

export function simPlaces(): Places {
  return {
    kind: 'sim',
    speaksFor: () => true,
    open: (kernel) => {
      const fabric: Fabric = openSim({
        kernel:
          kernel === '6.18'
            ? { version: '6.18', missingKinds: ['vlan', 'ipvlan', 'dummy'], missingFeatures: ['vlan-filtering'] }
            : { version: '6.1', missingKinds: [] },
      })
      return Promise.resolve(place(fabric, false))
    },
    close: () => Promise.resolve(),
  }
}

/** The machine's own kernel: rows measured on it, namespaces named krn* made and removed again. */
export async function kernelPlaces(): Promise<Places> {
  const { openKernel } = await import('../../src/kernel/fabric.ts')
  const open = new Set<Place>()
  return {
    kind: 'kernel',
    speaksFor: (kernel) => kernel === '6.18',
    open: async () => {
      const made = place(await openKernel(), true)
      await sweep(made.session.fabric)
      open.add(made)
      return made
    },
    close: async () => {
      for (const p of open) await p.close()
    },
  }
}

function place(real: Fabric, kernel: boolean): Place {
  const self: Place = {
    session: openSession(recording(real, (errno) => (self.lastErrno = errno))),
    lastErrno: undefined,
    run: (line) => runCommand(self.session, line),
    flush: () => flushAll(real),
    settle: (ms) => real.clock.sleep(ms),
    close: async () => {
      if (kernel) await sweep(real)
      await real.close()
    },
  }
  return self
}

/** The same fabric, telling the errno of what it refuses. */
function recording(fabric: Fabric, note: (errno: string | undefined) => void): Fabric {
  return new Proxy(fabric, {
    get(target, key) {
      if (key === 'apply') {
        const apply: Fabric['apply'] = async (plan, options) => {
          const outcomes = await target.apply(plan, options)
          const refused = outcomes.find((o) => !o.ok)
          note(refused?.ok === false ? refused.errno : undefined)
          return outcomes
        }
        return apply
      }
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value
    },
  })
}

async function flushAll(fabric: Fabric): Promise<void> {
  const all = await fabric.snapshot()
  const ops: Op[] = []
  for (const netns of all.netns.filter((n) => OURS.test(n.name))) {
    ops.push({ do: 'neighbour.flush', netns: netns.name })
    for (const link of netns.links.filter((l) => l.kind === 'bridge')) {
      ops.push({ do: 'fdb.flush', netns: netns.name, bridge: link.name })
    }
  }
  await fabric.apply(ops, { keepGoing: true })
}

async function sweep(fabric: Fabric): Promise<void> {
  const all = await fabric.snapshot()
  const ours = all.netns.filter((n) => OURS.test(n.name))
  await fabric.apply(
    ours.map((n) => ({ do: 'netns.del', netns: n.name })),
    { keepGoing: true },
  )
}
