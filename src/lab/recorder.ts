/**
 * A fabric that writes down what is asked of it, and the way to ask the same again: between them
 * a lab lives without a process that keeps it.
 */
import { LanyardError } from '../errors.ts'
import type { Clock } from '../fabric/clock.ts'
import type {
  Closer,
  Fabric,
  FramePort,
  OpOutcome,
  ProbeResult,
  Service,
} from '../fabric/fabric.ts'
import type { Plan } from '../fabric/plan.ts'
import type { SnapshotOptions } from '../fabric/snapshot.ts'
import type { SimFabric } from '../sim/fabric.ts'
import type { Call } from './journal.ts'

/** Where programs on the machines of a lab keep what they keep. */
export interface Disk {
  readFile(path: string): string | undefined
  writeFile(path: string, text: string): void
}

/** Everything a {@link Recorder} passes on, and the calls so far. */
export class Recorder implements Fabric, Disk {
  readonly kind = 'sim'
  readonly clock: Clock
  readonly #inner: Fabric & Disk
  #calls: Call[] = []

  constructor(inner: Fabric & Disk) {
    this.#inner = inner
    this.clock = {
      nowNs: () => inner.clock.nowNs(),
      sleep: (ms) => {
        this.#calls.push({ do: 'sleep', ms })
        return inner.clock.sleep(ms)
      },
    }
  }

  get count(): number {
    return this.#calls.length
  }

  /** The calls since the last time. */
  take(): readonly Call[] {
    const calls = this.#calls
    this.#calls = []
    return calls
  }

  apply(plan: Plan, options?: { readonly keepGoing?: boolean }): Promise<readonly OpOutcome[]> {
    const keepGoing = options?.keepGoing === true ? { keepGoing: true as const } : {}
    if (plan.length > 0) this.#calls.push({ do: 'apply', plan, ...keepGoing })
    return this.#inner.apply(plan, options)
  }

  snapshot(options?: SnapshotOptions): ReturnType<Fabric['snapshot']> {
    return this.#inner.snapshot(options)
  }

  probe(
    probes: Parameters<Fabric['probe']>[0],
    options?: { readonly sequential?: boolean },
  ): Promise<readonly ProbeResult[]> {
    const sequential = options?.sequential === true ? { sequential: true as const } : {}
    this.#calls.push({ do: 'probe', probes, ...sequential })
    return this.#inner.probe(probes, options)
  }

  watch(...args: Parameters<Fabric['watch']>): Promise<Closer> {
    return this.#inner.watch(...args)
  }

  async openPort(...args: Parameters<Fabric['openPort']>): Promise<FramePort> {
    const [netns, link] = args
    const port = await this.#inner.openPort(...args)
    const told = (bytes: Uint8Array): void => {
      this.#calls.push({ do: 'send', netns, link, hex: hexOf(bytes) })
    }
    return {
      send: (bytes) => {
        told(bytes)
        port.send(bytes)
      },
      post: (bytes) => {
        told(bytes)
        port.post(bytes)
      },
      close: () => port.close(),
    }
  }

  async listen(netns: string, service: Service): Promise<Closer> {
    const closer = await this.#inner.listen(netns, service)
    this.#calls.push({ do: 'listen', netns, service })
    return {
      close: () => {
        this.#calls.push({ do: 'unlisten', netns, service })
        closer.close()
      },
    }
  }

  readFile(path: string): string | undefined {
    return this.#inner.readFile(path)
  }

  writeFile(path: string, text: string): void {
    this.#calls.push({ do: 'write', path, text })
    this.#inner.writeFile(path, text)
  }

  settle(options?: Parameters<Fabric['settle']>[0]): Promise<void> {
    this.#calls.push({ do: 'settle', ...options })
    return this.#inner.settle(options)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

/**
 * Asks a fabric what a {@link Recorder} wrote down. What was refused then is refused now.
 *
 * @example
 * ```ts
 * const world = openSim()
 * await replay(world, recorder.take())
 * ```
 */
export async function replay(fabric: SimFabric, calls: readonly Call[]): Promise<void> {
  for (const call of calls) {
    if (call.do === 'apply') applyAsBefore(fabric, call.plan, call.keepGoing === true)
    else if (call.do === 'listen') await fabric.listen(call.netns, call.service)
    else if (call.do === 'unlisten') fabric.stopListening(call.netns, call.service)
    else if (call.do === 'write') fabric.writeFile(call.path, call.text)
    else if (call.do === 'sleep') await fabric.clock.sleep(call.ms)
    else if (call.do === 'settle') await fabric.settle(call)
    else if (call.do === 'probe') {
      await fabric.probe(call.probes, call.sequential === true ? { sequential: true } : {})
    } else {
      const port = await fabric.openPort(call.netns, call.link, () => undefined)
      port.send(bytesOf(call.hex))
      port.close()
    }
  }
}

/** Refusals are part of the story: a plan stops where it stopped. */
function applyAsBefore(fabric: SimFabric, plan: Plan, keepGoing: boolean): void {
  try {
    fabric.applyNow(plan, { keepGoing })
  } catch (error) {
    if (!(error instanceof LanyardError) || error.code !== 'op-refused') throw error
  }
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('')
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, n) =>
    Number.parseInt(hex.slice(n * 2, n * 2 + 2), 16),
  )
}
