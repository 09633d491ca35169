/**
 * Where a command's work is done: by the daemon when one runs, else in this process, which then
 * must be root. The same contract either way.
 */
import { statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Command, Option } from 'commander'
import type { Engine, EngineEvent } from '../engine/types.ts'
import { LanyardError } from '../errors.ts'
import { DaemonClient } from './client.ts'

export const SOCKET = '/run/lanyard/lanyard.sock'
export const STATE = '/var/lib/lanyard'
/** Where Docker looks for a plugin called lanyard. */
export const DOCKER_SOCKET = '/run/docker/plugins/lanyard.sock'

export interface PlaceOptions {
  readonly socket: string
  readonly state: string
  /** An etcd that hosts share, as `--store` says it; undefined is the file in `state`. */
  readonly store?: string
}

export interface Place {
  readonly engine: Engine
  /** The daemon that does the work; undefined when this process does it. */
  readonly daemon: { readonly pid: number; readonly version: string } | undefined
  /** Where the state is kept. */
  readonly state: string
}

/** As when none of the options is given. */
export function placeDefaults(): PlaceOptions {
  const { LANYARD_SOCKET, LANYARD_STATE, LANYARD_STORE } = process.env
  return {
    socket: LANYARD_SOCKET ?? SOCKET,
    state: LANYARD_STATE ?? STATE,
    ...(LANYARD_STORE === undefined ? {} : { store: LANYARD_STORE }),
  }
}

/** `--socket`, `--state` and `--store`. */
export function addPlaceOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--socket <path>', 'socket of the daemon').default(SOCKET).env('LANYARD_SOCKET'),
    )
    .addOption(
      new Option('--state <dir>', 'where the state is kept').default(STATE).env('LANYARD_STATE'),
    )
    .addOption(
      new Option(
        '--store <where>',
        'an etcd that hosts share: etcd://HOST:2379[,HOST...] or a store file; default a file in --state',
      ).env('LANYARD_STORE'),
    )
}

/**
 * Does something with the engine, and closes it.
 *
 * @throws LanyardError `needs-daemon` when no daemon runs and this process may not do it itself,
 *   `daemon-forbidden`, `daemon-running` when the state belongs to a daemon elsewhere
 */
export async function withEngine<T>(
  options: PlaceOptions,
  work: (engine: Engine, place: Place) => Promise<T>,
): Promise<T> {
  const place = await openPlaceEngine(options)
  // A daemon writes them into its log; here nobody else would ever know.
  const told = place.daemon === undefined ? place.engine.onEvent(warn) : undefined
  try {
    return await work(place.engine, place)
  } finally {
    await place.engine.close()
    told?.close()
  }
}

/** What is not as it should be, seen while a command did its work or after it. */
function warn({ what, network, endpoint, detail }: EngineEvent): void {
  if (what !== 'drift') return
  const where = [network, endpoint].filter((word) => word !== undefined && word !== '').join('/')
  process.stderr.write(`lanyard: warning: ${where === '' ? '' : `${where}: `}${detail}\n`)
}

/** As {@link withEngine}; the caller closes the engine. */
export async function openPlaceEngine(options: PlaceOptions): Promise<Place> {
  const { socket, state, store } = options
  if (isThere(socket)) {
    const client = new DaemonClient(socket)
    try {
      const daemon = await client.version()
      return { engine: client, daemon, state: daemon.state }
    } catch (error) {
      await client.close()
      // The socket of a daemon that was killed: nobody listens.
      if (!(error instanceof LanyardError) || error.code !== 'daemon-unreachable') throw error
    }
  }
  const { openLocalEngine } = await import('./local-engine.ts')
  return { engine: await openLocalEngine(socket, state, store), daemon: undefined, state }
}

function isThere(socket: string): boolean {
  try {
    return statSync(socket).isSocket()
  } catch (error) {
    // A folder that may not be looked into may well hold the daemon's socket.
    return (error as NodeJS.ErrnoException).code === 'EACCES'
  }
}

/** Folder of records that a reboot may empty. */
export const recordsFolder = ({ socket }: PlaceOptions, kind: string): string =>
  join(dirname(socket), kind)
