/** Where the measured rows are replayed: a fresh simulated Linux each time, or the real kernel. */
import { existsSync, readdirSync } from 'node:fs'
import type { Op, Plan } from '../../src/fabric/plan.ts'
import type { Fabric, OpOutcome } from '../../src/fabric/fabric.ts'
import { detectTraits } from '../../src/fabric/traits.ts'
import { openSession, type Output, type Session } from '../../src/shell/session.ts'
import { runCommand } from '../../src/shell/run.ts'
import { openSim } from '../../src/sim/fabric.ts'
import { renamed } from './renamed.ts'
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
  /** Waits until carriers and operational states are what they will be. */
  standStill(): Promise<void>
  close(): Promise<void>
}

export interface Places {
  readonly kind: 'sim' | 'kernel'
  /** Whose rows a real kernel speaks for. */
  readonly kernel: Kernel
  open(kernel: Kernel): Promise<Place>
  /** Which rows this place can speak for. */
  speaksFor(kernel: Kernel): boolean
  close(): Promise<void>
}

/** Runs a job for each item, on a kernel several at a time: each has a place of its own. */
export async function forEach<T>(
  places: Places,
  items: readonly T[],
  job: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0
  const worker = async () => {
    for (let at = next++; at < items.length; at = next++) await job(items[at] as T, at)
  }
  await Promise.all(Array.from({ length: places.kind === 'kernel' ? 8 : 1 }, worker))
}

export function simPlaces(): Places {
  return {
    kind: 'sim',
    kernel: '6.18',
    speaksFor: () => true,
    open: (kernel) => {
      const fabric = openSim({
        kernel:
          kernel === '6.18'
            ? { version: '6.18', missingKinds: ['vlan', 'ipvlan', 'dummy'], bridgeVlanFiltering: false }
            : { version: '6.1', missingKinds: ['tun', 'tap'] },
      })
      return Promise.resolve(place(fabric, false))
    },
    close: () => Promise.resolve(),
  }
}

/**
 * The kernel this runs on: rows measured on one like it. Each place has namespaces of its own, named
 * krn….PID-N after the row's name, the process and the place, and removes them when it is closed.
 */
export async function kernelPlaces(): Promise<Places> {
  const { openKernel } = await import('../../src/kernel/fabric.ts')
  const open = new Set<Place>()
  let count = 0
  const first = await openKernel()
  await removeLeftOver(first)
  const { version } = await detectTraits(first, `krntraits.${process.pid}-0`)
  const own: Kernel = version === '6.18' ? '6.18' : 'uml-6.1'
  return {
    kind: 'kernel',
    kernel: own,
    speaksFor: (kernel) => kernel === own,
    open: async () => {
      const made = place(renamed(await openKernel(), `.${process.pid}-${count++}`), true)
      open.add(made)
      return made
    },
    close: async () => {
      for (const p of open) await p.close()
    },
  }
}

function place(real: Fabric, kernel: boolean): Place {
  const made = new Set<string>()
  const note = (outcomes: readonly OpOutcome[], plan: Plan) => {
    const refused = outcomes.find((o) => !o.ok)
    self.lastErrno = refused?.ok === false ? refused.errno : undefined
    for (const [n, op] of plan.entries()) {
      if (op.do === 'netns.add' && outcomes[n]?.ok === true) made.add(op.netns)
      if (op.do === 'netns.del' && outcomes[n]?.ok === true) made.delete(op.netns)
    }
  }
  const reach = () => [...made]
  const self: Place = {
    session: { ...openSession(recording(real, note)), reach },
    lastErrno: undefined,
    run: (line) => runCommand(self.session, line),
    flush: () => flushAll(real, reach()),
    settle: (ms) => real.clock.sleep(ms),
    standStill: () => real.settle({ netns: reach(), timeoutMs: kernel ? 2000 : 5 }),
    close: async () => {
      if (kernel) await remove(real, reach())
      await real.close()
    },
  }
  return self
}

/** The same fabric, telling how every plan ended. */
function recording(
  fabric: Fabric,
  note: (outcomes: readonly OpOutcome[], plan: Plan) => void,
): Fabric {
  return new Proxy(fabric, {
    get(target, key) {
      if (key === 'apply') {
        const apply: Fabric['apply'] = async (plan, options) => {
          const outcomes = await target.apply(plan, options)
          note(outcomes, plan)
          return outcomes
        }
        return apply
      }
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value
    },
  })
}

async function flushAll(fabric: Fabric, names: readonly string[]): Promise<void> {
  const all = await fabric.snapshot({ netns: names })
  const ops: Op[] = []
  for (const netns of all.netns) {
    ops.push({ do: 'neighbour.flush', netns: netns.name })
    for (const link of netns.links.filter((l) => l.kind === 'bridge')) {
      ops.push({ do: 'fdb.flush', netns: netns.name, bridge: link.name })
    }
  }
  await fabric.apply(ops, { keepGoing: true })
}

/** Removes what runs left that were killed: namespaces of processes that are no more. */
async function removeLeftOver(fabric: Fabric): Promise<void> {
  const all = existsSync('/run/netns') ? readdirSync('/run/netns') : []
  const dead = all.filter((name) => {
    const pid = /^krn.*\.(\d+)-\d+$/.exec(name)?.[1]
    return pid !== undefined && !existsSync(`/proc/${pid}`)
  })
  await remove(fabric, dead)
}

async function remove(fabric: Fabric, names: readonly string[]): Promise<void> {
  await fabric.apply(
    names.map((netns) => ({ do: 'netns.del', netns })),
    { keepGoing: true },
  )
}
