/** The kernel's fabric: the {@link Fabric} contract on the Linux this program runs on. */
import { LanyardError } from '../errors.ts'
import type { Clock } from '../fabric/clock.ts'
import type {
  CapturedFrame,
  Closer,
  Fabric,
  FabricEvent,
  FramePort,
  OpOutcome,
  Probe,
  ProbeResult,
  Service,
} from '../fabric/fabric.ts'
import type { Plan } from '../fabric/plan.ts'
import type { Snapshot, SnapshotOptions } from '../fabric/snapshot.ts'
import { missingCapabilities } from '../sys/capability.ts'
import { applyPlan } from './apply.ts'
import { kernelClock } from './clock.ts'
import { openFramePort } from './frame-port.ts'
import { openListener } from './listen.ts'
import { hasNetns, listNetns } from './netns.ts'
import { runProbes } from './probe.ts'
import { settleNetns } from './settle.ts'
import { takeSnapshot } from './snapshot.ts'
import { watchNetns } from './watch.ts'

/** Namespaces may come and go while all of them are looked at. */
const ATTEMPTS = 4

/**
 * Opens the kernel this program runs on. It holds nothing until asked for something.
 *
 * A crash leaves what was applied up to then; whoever made the plan finds it by its group tags.
 *
 * @throws LanyardError `needs-root` unless on Linux with CAP_NET_ADMIN and CAP_SYS_ADMIN
 *
 * @example
 * ```ts
 * const fabric = await openKernel()
 * await fabric.apply([{ do: 'netns.add', netns: 'box1' }])
 * await fabric.close()
 * ```
 */
export function openKernel(): Promise<KernelFabric> {
  return new Promise((resolve) => {
    const missing = whatIsMissing()
    if (missing !== undefined) throw new LanyardError('needs-root', { missing })
    resolve(new KernelFabric())
  })
}

function whatIsMissing(): string | undefined {
  if (process.platform !== 'linux') return `this is ${process.platform}, not Linux`
  const missing = missingCapabilities()
  return missing.length === 0 ? undefined : `this process lacks ${missing.join(' and ')}`
}

export class KernelFabric implements Fabric {
  readonly kind = 'kernel'
  readonly clock: Clock = kernelClock
  /** Watches and ports: each keeps its namespace alive. */
  readonly #open = new Map<string, Set<Closer>>()

  /** See {@link applyPlan}. Watches and ports in a namespace that a plan deletes are closed. */
  async apply(
    plan: Plan,
    options: { readonly keepGoing?: boolean } = {},
  ): Promise<readonly OpOutcome[]> {
    let outcomes: readonly OpOutcome[] | undefined
    let done = plan.length
    try {
      outcomes = await applyPlan(plan, options)
      return outcomes
    } catch (error) {
      done = refusedAt(error) ?? 0
      throw error
    } finally {
      for (const [index, op] of plan.entries()) {
        if (op.do !== 'netns.del' || index >= done || outcomes?.[index]?.ok === false) continue
        this.#closeIn(op.netns)
      }
    }
  }

  /** See {@link takeSnapshot}; by default of the own namespace and all named ones. */
  async snapshot(options: SnapshotOptions = {}): Promise<Snapshot> {
    const { netns, parts, counters } = options
    return await ofAll(netns, (names) => takeSnapshot(names, { parts, counters }))
  }

  /** See {@link runProbes}. */
  async probe(
    probes: readonly Probe[],
    options?: { readonly sequential?: boolean },
  ): Promise<readonly ProbeResult[]> {
    return await runProbes(probes, options)
  }

  /** See {@link watchNetns}. */
  watch(netns: readonly string[], onEvent: (event: FabricEvent) => void): Promise<Closer> {
    return new Promise((resolve) => {
      const watches: Closer[] = []
      const all: Closer = {
        close() {
          for (const watch of watches) watch.close()
        },
      }
      try {
        for (const name of netns) watches.push(this.#keep(name, watchNetns(name, onEvent)))
      } catch (error) {
        all.close()
        throw error
      }
      resolve(all)
    })
  }

  /** See {@link openFramePort}. */
  openPort(
    netns: string,
    link: string,
    onFrame: (frame: CapturedFrame) => void,
    options?: { readonly etherType?: number },
  ): Promise<FramePort> {
    return new Promise((resolve) => {
      resolve(this.#keep(netns, openFramePort(netns, link, onFrame, options)))
    })
  }

  /** See {@link openListener}. */
  listen(netns: string, service: Service): Promise<Closer> {
    return new Promise((resolve) => {
      resolve(this.#keep(netns, openListener(netns, service)))
    })
  }

  /** See {@link settleNetns}; by default for the own namespace and all named ones. */
  async settle(
    options: { readonly netns?: readonly string[]; readonly timeoutMs?: number } = {},
  ): Promise<void> {
    const { netns, timeoutMs } = options
    await settleNetns(netns ?? allNetns(), timeoutMs, netns === undefined)
  }

  /** Closes every watch and port. What was applied stays. */
  close(): Promise<void> {
    for (const netns of [...this.#open.keys()]) this.#closeIn(netns)
    return Promise.resolve()
  }

  /** The same, remembered until closed. */
  #keep<T extends Closer>(netns: string, opened: T): T {
    const known = this.#open.get(netns) ?? new Set()
    this.#open.set(netns, known)
    const kept: T = {
      ...opened,
      close() {
        known.delete(kept)
        opened.close()
      },
    }
    known.add(kept)
    return kept
  }

  #closeIn(netns: string): void {
    for (const opened of this.#open.get(netns) ?? []) opened.close()
    this.#open.delete(netns)
  }
}

/** Where a plan stopped: the ops before it are done. */
function refusedAt(error: unknown): number | undefined {
  if (!(error instanceof LanyardError)) return undefined
  const { detail } = error
  if (typeof detail !== 'object' || detail === null || !('index' in detail)) return undefined
  return typeof detail.index === 'number' ? detail.index : undefined
}

/** The own namespace and all named ones. */
function allNetns(): string[] {
  return ['', ...listNetns().filter(hasNetns)]
}

/**
 * Does something with the namespaces named, or with the own and all named ones; then again when one
 * of these went away meanwhile.
 */
async function ofAll<T>(
  names: readonly string[] | undefined,
  fn: (names: readonly string[]) => Promise<T>,
): Promise<T> {
  if (names !== undefined) return await fn(names)
  for (let attempt = 1; ; attempt++) {
    try {
      return await fn(allNetns())
    } catch (error) {
      const gone = error instanceof LanyardError && error.code === 'netns-missing'
      if (!gone || attempt >= ATTEMPTS) throw error
    }
  }
}
