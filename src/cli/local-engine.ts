/** The engine in this process: on the kernel, over the state in a folder. */
import { randomBytes } from 'node:crypto'
import { chmodSync } from 'node:fs'
import { holderOf, stateLock } from '../daemon/listen.ts'
import type { Faults } from '../engine/context.ts'
import type { HostEngine } from '../engine/engine.ts'
import type { DoorEngine } from '../engine/types.ts'
import { LanyardError } from '../errors.ts'
import { makeFolder } from './files.ts'
import { missingCapabilities } from '../sys/capability.ts'
import { tryLockFile } from '../sys/lock.ts'

const BEAT_MS = 5000

/** What this process lacks to work on the kernel; undefined as root on Linux. */
export function whatIsMissing(): string | undefined {
  if (process.platform !== 'linux') return `this is ${process.platform}, not Linux`
  const missing = missingCapabilities()
  return missing.length === 0 ? undefined : `this process lacks ${missing.join(' and ')}`
}

/**
 * The engine of a command that found no daemon. It mends nothing by itself: a command does what it
 * was asked, `lanyard status --heal` the rest.
 *
 * @throws LanyardError `needs-daemon`, `daemon-running` when the state belongs to a daemon with
 *   another socket
 */
export async function openLocalEngine(
  socket: string,
  state: string,
  store?: string,
): Promise<DoorEngine> {
  const missing = whatIsMissing()
  if (missing !== undefined) throw new LanyardError('needs-daemon', { socket, missing })
  makeState(state)
  // Looked at, not kept: a daemon that starts meanwhile shares the store by transactions.
  const lock = tryLockFile(stateLock(state), 'shared')
  if (lock === undefined) {
    const pid = holderOf(stateLock(state))
    throw new LanyardError('daemon-running', { what: `state ${state}`, pid })
  }
  lock.release()
  return await openStateEngine(state, store)
}

/** What only the one process that keeps a state does. */
export interface DaemonOptions {
  /** Addresses of each network held for when the store is away. */
  readonly spares: number
  /** Where a test ends it in the middle of its work. */
  readonly faults?: Faults
}

/**
 * The engine over the state in a folder; closing it closes the store and the kernel, too.
 *
 * @throws LanyardError `needs-root`, `store-corrupt` and its like
 */
export async function openStateEngine(
  state: string,
  where?: string,
  daemon?: DaemonOptions,
): Promise<DoorEngine> {
  makeState(state)
  const [{ openKernel }, { openStateStore, sparesFile }, { openEngine }] = await Promise.all([
    import('../kernel/fabric.ts'),
    import('./state-store.ts'),
    import('../engine/engine.ts'),
  ])
  const fabric = await openKernel()
  const { store, self, onWentBack } = await openStateStore(state, where).catch(
    async (error: unknown) => {
      await fabric.close()
      throw error
    },
  )
  const spares =
    daemon === undefined ? {} : { spares: { file: sparesFile(state), count: daemon.spares } }
  const end = async (): Promise<void> => {
    await fabric.close()
    await store.close()
  }
  try {
    const engine = await openEngine({
      fabric,
      store,
      random: (count) => randomBytes(count),
      now: Date.now,
      reconcile: false,
      ...(daemon?.faults === undefined ? {} : { faults: daemon.faults }),
      ...(self === undefined ? {} : { self: { ...self, ...spares } }),
    })
    const does = { beats: self !== undefined, patrols: daemon !== undefined }
    const beating = does.beats || does.patrols ? keepAlive(engine, does) : undefined
    onWentBack(() => void engine.reassert().catch(() => undefined))
    const close = engine.close.bind(engine)
    return Object.assign(engine, {
      close: async () => {
        clearInterval(beating)
        await close()
        await end()
      },
    })
  } catch (error) {
    await end()
    throw error
  }
}

/**
 * Where hosts share a store, says that this one lives; a store that is away hears it, and the rest,
 * when it is back. A daemon looks into sandboxes, too.
 */
function keepAlive(
  engine: HostEngine,
  does: { readonly beats: boolean; readonly patrols: boolean },
): NodeJS.Timeout {
  let beating = false
  const beat = async (): Promise<void> => {
    if (beating) return
    beating = true
    // The next one says it.
    if (does.beats) await engine.beat().catch(() => undefined)
    if (does.patrols) await engine.patrol()
    beating = false
  }
  return setInterval(() => void beat(), BEAT_MS).unref()
}

/** Names of networks and who is on them are nobody's business but root's. */
function makeState(state: string): void {
  if (makeFolder(state, 0o700)) chmodSync(state, 0o700)
}
