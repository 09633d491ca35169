/**
 * The daemon's life: locks, engine, reconciling, socket, service manager, and an orderly end.
 *
 * kill -9 leaves the socket file, which the next daemon takes away, and whatever the engine was in
 * the middle of, which its reconciling at the next start mends.
 */
import { createServer, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import type { Logger } from 'pino'
import type { Engine } from '../engine/types.ts'
import { checkPeer, GROUP, groupId, type Peer } from './access.ts'
import { makeApp } from './app.ts'
import type { Plan } from './codec.ts'
import { listen, type Lock, stateLock, takeLock, type TryLock } from './listen.ts'
import { openMetrics } from './metrics.ts'

export interface DaemonOptions {
  readonly socket: string
  /** Folder of the store; one daemon a state, whatever its socket. */
  readonly state: string
  readonly version: string
  /** Called when both locks are held. */
  readonly openEngine: () => Promise<Engine>
  readonly printPlan: (plan: Plan) => readonly string[]
  readonly tryLock: TryLock
  /** Who is at the other end of a connected socket. */
  readonly peerOf: (fd: number) => Peer
  readonly log: Logger
  /** Tells the service manager (sd_notify(3)). */
  readonly notify?: (text: string) => void
  readonly group?: string
  /** Further doors to the engine, opened before the service manager is told READY. */
  readonly openDoors?: (engine: Engine) => Promise<Door>
}

export interface Door {
  close(): Promise<void>
}

export interface Daemon {
  /** Answers what was asked, takes no more, closes everything. */
  stop(): Promise<void>
}

/** How long requests may go on once the daemon is told to stop. */
const GRACE_MS = 10_000

/**
 * @throws LanyardError `daemon-running`, `socket-invalid`, and what opening the engine throws
 */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { socket, state, log, tryLock, notify = () => undefined } = options
  const locks: Lock[] = []
  const release = (): void => {
    for (const lock of locks) lock.release()
  }
  let engine: Engine | undefined
  let doors: Door | undefined
  try {
    locks.push(takeLock(`${socket}.lock`, `socket ${socket}`, tryLock))
    locks.push(takeLock(stateLock(state), `state ${state}`, tryLock))
    engine = await options.openEngine()
    const { server, stopping } = await serve(engine, options)
    doors = await options.openDoors?.(engine)
    notify(`READY=1\nSTATUS=listening on ${socket}`)
    const watchdog = keepAlive(notify)
    log.info({ socket, state, pid: process.pid, version: options.version }, 'ready')
    const opened = engine
    const stop = async (): Promise<void> => {
      notify('STOPPING=1')
      clearInterval(watchdog)
      stopping.abort()
      try {
        await Promise.all([closeServer(server), doors?.close()])
        await opened.close()
      } finally {
        release()
      }
      log.info('stopped')
    }
    let stopped: Promise<void> | undefined
    return { stop: () => (stopped ??= stop()) }
  } catch (error) {
    await doors?.close()
    await engine?.close()
    release()
    throw error
  }
}

async function serve(
  engine: Engine,
  options: DaemonOptions,
): Promise<{ server: Server; stopping: AbortController }> {
  const { socket, state, version, printPlan, log, peerOf, group = GROUP } = options
  const metrics = openMetrics(engine)
  engine.onEvent((event) => {
    metrics.event(event)
    log[event.what === 'conflict' || event.what === 'parent-lost' ? 'warn' : 'info'](event, 'event')
  })
  await heal(engine, log, metrics.drift)
  const stopping = new AbortController()
  const gid = groupId(group)
  if (gid === undefined) log.warn({ group }, 'no such group: only root may use the socket')
  const app = makeApp({
    engine,
    printPlan,
    version: { version, pid: process.pid, state },
    metrics,
    log,
    stopping: stopping.signal,
    admit: admission(socket, gid, peerOf),
  })
  const listener = getRequestListener((request, env) => app.fetch(request, env), {
    overrideGlobalObjects: false,
  })
  const server = createServer((incoming, outgoing) => void listener(incoming, outgoing))
  await listen(server, socket, gid)
  return { server, stopping }
}

/** What cannot be mended now (a parent that is not there yet) is mended when it can be. */
async function heal(engine: Engine, log: Logger, drift: (count: number) => void): Promise<void> {
  try {
    const found = await engine.reconcile()
    drift(found.length)
    for (const one of found) log.warn(one, 'drift')
  } catch (error) {
    log.error({ err: error }, 'could not reconcile')
  }
}

/** Looks at each connection once: credentials are those of the moment it was made. */
function admission(socket: string, gid: number | undefined, peerOf: (fd: number) => Peer) {
  const known = new WeakMap<Socket, Peer>()
  return (connection: Socket): Readonly<Record<string, unknown>> => {
    let peer = known.get(connection)
    if (peer === undefined) {
      peer = peerOf(descriptorOf(connection))
      known.set(connection, peer)
    }
    checkPeer(peer, gid, socket)
    return { uid: peer.uid, peer: peer.pid }
  }
}

/** Node shows the descriptor of a socket on its handle only. */
function descriptorOf(connection: Socket): number {
  const { _handle: handle } = connection as unknown as { _handle: { readonly fd: number } | null }
  return handle?.fd ?? -1
}

/** WatchdogSec= of the unit: twice in its time, as sd_watchdog_enabled(3) asks. */
function keepAlive(notify: (text: string) => void): NodeJS.Timeout | undefined {
  const micros = Number(process.env['WATCHDOG_USEC'] ?? 0)
  if (!(micros > 0)) return undefined
  return setInterval(() => notify('WATCHDOG=1'), micros / 2000).unref()
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(() => server.closeAllConnections(), GRACE_MS)
    server.close(() => {
      clearTimeout(late)
      resolve()
    })
    server.closeIdleConnections()
  })
}
