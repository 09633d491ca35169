/** `lanyard daemon`: the daemon with what it is handed: kernel, locks, credentials. */
import { constants } from 'node:os'
import { dirname } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { openLog, type Level } from '../daemon/log.ts'
import { startDaemon } from '../daemon/serve.ts'
import type { Faults } from '../engine/context.ts'
import type { DoorEngine } from '../engine/types.ts'
import { LanyardError } from '../errors.ts'
import { printPlan } from '../fabric/print-ip.ts'
import { tryLockFile } from '../sys/lock.ts'
import { peerOf, sendUnixDatagram } from '../sys/unix.ts'
import { openDocker } from './docker-door.ts'
import { makeFolder } from './files.ts'
import { openStateEngine, whatIsMissing } from './local-engine.ts'
import { DOCKER_SOCKET, type PlaceOptions, SOCKET } from './place.ts'
import { version } from './version.ts'

export interface DaemonCommand extends PlaceOptions {
  readonly logLevel: Level
  /** Addresses of each network held for when the store is away. */
  readonly spares: number
  /** Docker's door; `none` closes it. */
  readonly docker?: string
}

/** Docker looks in one place; only the daemon in the usual place serves it unasked. */
function dockerSocket({ docker, socket }: DaemonCommand): string | undefined {
  if (docker === 'none') return undefined
  return docker ?? (socket === SOCKET ? DOCKER_SOCKET : undefined)
}

/**
 * V8 lets the space of new objects grow to 48 MiB where many come at once, and never takes them
 * back. A daemon runs for months and is busy for seconds: it keeps the space it has at its start.
 * Measured with 4,000 endpoints: some 40 MiB less, and no connect slower.
 */
const STAY_SMALL = '--semi-space-growth-factor=1'

/**
 * Runs until it is told to stop.
 *
 * @param faults where a test ends it in the middle of its work
 */
export async function runDaemon(options: DaemonCommand, faults?: Faults): Promise<void> {
  setFlagsFromString(STAY_SMALL)
  const { socket, state, store, logLevel, spares } = options
  const missing = whatIsMissing()
  if (missing !== undefined) throw new LanyardError('needs-root', { missing })
  // Nobody's business but root's; and what cannot be made is said before anything is begun.
  makeFolder(state, 0o700)
  makeFolder(dirname(socket), 0o755)
  const log = openLog(logLevel)
  const told = new Promise<NodeJS.Signals>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, resolve)
  })
  // A terminal that closes is no reason to stop.
  process.on('SIGHUP', () => undefined)
  let engine: DoorEngine | undefined
  const own = { spares, ...(faults === undefined ? {} : { faults }) }
  const manager = process.env['NOTIFY_SOCKET']
  const daemon = await startDaemon({
    socket,
    state,
    version: version(),
    openEngine: async () => (engine = await openStateEngine(state, store, own)),
    openDoors: async () => await openDocker(engine, dockerSocket(options), log),
    printPlan,
    tryLock: (path) => tryLockFile(path, 'exclusive'),
    peerOf,
    log,
    ...(manager === undefined ? {} : { notify: (text) => sendUnixDatagram(manager, text) }),
  })
  const signal = await told
  log.info({ signal, number: constants.signals[signal] }, 'stopping')
  await daemon.stop()
}
