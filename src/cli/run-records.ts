/**
 * Which sandboxes `lanyard run` has made: one small file each beside the daemon's socket, written
 * before the namespace is made and removed when it is gone. A killed run leaves its file, and with
 * it what to take away; nothing else is ever removed. /run is emptied at boot, as are the
 * namespaces.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Engine } from '../engine/types.ts'
import { LanyardError } from '../errors.ts'
import { makeFolder } from './files.ts'
import { startOf } from './lab-records.ts'
import { type PlaceOptions, recordsFolder } from './place.ts'

export interface RunRecord {
  readonly name: string
  readonly networks: readonly string[]
  readonly pid: number
  /** Start of the process in clock ticks since boot: a pid alone may by now be another's. */
  readonly started: string
}

const fileOf = (folder: string, name: string): string =>
  join(folder, `${encodeURIComponent(name)}.json`)

/**
 * Writes a run down before it makes anything.
 * @throws LanyardError `netns-exists` when a run of this name goes on
 */
export function beginRun(
  options: PlaceOptions,
  name: string,
  networks: readonly string[],
): { end(): void } {
  const folder = recordsFolder(options, 'runs')
  makeFolder(folder, 0o755)
  const { pid } = process
  const record: RunRecord = { name, networks, pid, started: startOf(pid) ?? '' }
  const file = fileOf(folder, name)
  try {
    writeFileSync(file, `${JSON.stringify(record)}\n`, { flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    throw new LanyardError('netns-exists', { netns: name }, { cause: error })
  }
  return { end: () => rmSync(file, { force: true }) }
}

/** Takes away what killed runs left: their endpoints, then their namespaces. */
export async function sweepRuns(options: PlaceOptions, engine: Engine): Promise<void> {
  const folder = recordsFolder(options, 'runs')
  for (const file of filesOf(folder)) {
    const record = read(join(folder, file))
    if (record !== undefined && startOf(record.pid) === record.started) continue
    if (record !== undefined) await removeSandbox(engine, record)
    rmSync(join(folder, file), { force: true })
  }
}

/**
 * Takes a sandbox off its networks and removes it; what is gone already is no failure. Every step
 * is tried, all failures are told.
 */
export async function removeSandbox(
  engine: Engine,
  { name, networks }: Pick<RunRecord, 'name' | 'networks'>,
): Promise<void> {
  const { deleteNetns, hasNetns } = await import('../kernel/netns.ts')
  const failures: unknown[] = []
  for (const network of networks) {
    try {
      await engine.disconnect(network, name)
    } catch (error) {
      if (!(error instanceof LanyardError && error.status === 404)) failures.push(error)
    }
  }
  try {
    if (hasNetns(name)) deleteNetns(name)
  } catch (error) {
    failures.push(error)
  }
  if (failures.length === 1) throw failures[0] as Error
  if (failures.length > 1) throw new AggregateError(failures)
}

function filesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter((file) => file.endsWith('.json'))
  } catch {
    return []
  }
}

/** Undefined when the run was killed before it wrote anything, and so before it made anything. */
function read(file: string): RunRecord | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as RunRecord
  } catch {
    return undefined
  }
}
