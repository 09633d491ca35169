/** `lanyard store`: looked over, moved between a file and an etcd, copied and put back. */
import { readFileSync, writeFileSync } from 'node:fs'
import { checkStore } from '../engine/check.ts'
import { ownedBy, ownedByNobody, type Pair } from '../engine/moved.ts'
import { LanyardError } from '../errors.ts'
import { entriesUnder } from '../ipam/ipam.ts'
import type { Store, Write } from '../store/store.ts'
import { EXIT } from './failure.ts'
import type { PlaceOptions } from './place.ts'
import { bindState, identify, mustBeOwn, openEmbedded, openShared } from './state-store.ts'
import { makeFolder, mustBeWritable, writing } from './files.ts'

export interface StoreOptions extends PlaceOptions {
  readonly json?: boolean
}

export interface MigrateOptions extends StoreOptions {
  readonly from: string
  readonly to: string
}

const FORMAT = 'lanyard backup 1'
/** Writes of one transaction. */
const CHUNK = 100
/** Goes by itself, or is a sign of some host to itself: not worth a copy. */
const FLEETING = ['ipam/cool/', 'ipam/was/', 'host-live/', 'host-mark/', 'ipam/next/']

/** `file` is the state folder's own; all else as `--store` says it. */
async function openNamed(where: string, state: string): Promise<{ store: Store; name: string }> {
  if (where === 'file') return { store: await openEmbedded(state), name: '' }
  const store = await openShared(where)
  return { store, name: store.name }
}

async function withStore<T>(
  where: string,
  state: string,
  work: (store: Store, name: string) => Promise<T>,
): Promise<T> {
  const { store, name } = await openNamed(where, state)
  try {
    return await work(store, name)
  } finally {
    await store.close()
  }
}

/** What `--store` says; without it, the file, where that is the state's own. */
function whereOf({ store, state }: StoreOptions): string {
  if (store !== undefined) return store
  mustBeOwn(state)
  return 'file'
}

/** `lanyard store check`: @returns 1 when an invariant does not hold */
export async function storeCheck(options: StoreOptions): Promise<number> {
  const { problems, counted } = await withStore(whereOf(options), options.state, checkStore)
  if (options.json === true)
    process.stdout.write(`${JSON.stringify({ ...counted, problems }, undefined, 2)}\n`)
  else {
    for (const problem of problems) process.stdout.write(`${problem}\n`)
    const { networks, endpoints, addresses, spares, hosts } = counted
    const kept = spares === 0 ? '' : `${spares} spares, `
    const all = `${networks} networks, ${endpoints} endpoints, ${addresses} addresses, ${kept}${hosts} hosts`
    process.stdout.write(
      `${all}: ${problems.length === 0 ? 'clean' : `${problems.length} wrong`}\n`,
    )
  }
  return problems.length === 0 ? EXIT.ok : EXIT.missed
}

async function contents(store: Store): Promise<readonly Pair[]> {
  const entries = await entriesUnder(store, '')
  return entries
    .filter(({ key }) => !FLEETING.some((prefix) => key.startsWith(prefix)))
    .map(({ key, value }) => [key, value] as const)
}

/** @throws LanyardError `store-not-empty` */
async function fill(store: Store, name: string, pairs: readonly Pair[]): Promise<void> {
  if ((await store.range('', { limit: 1 })).entries.length > 0)
    throw new LanyardError('store-not-empty', { store: name === '' ? 'file' : name })
  for (let at = 0; at < pairs.length; at += CHUNK)
    await store.transact({
      when: [],
      then: pairs.slice(at, at + CHUNK).map(([put, value]): Write => ({ put, value })),
    })
}

/** `lanyard store migrate --from X --to Y` */
export async function storeMigrate(options: MigrateOptions): Promise<void> {
  const { from, to, state } = options
  await mustBeIdle(options)
  const pairs = await withStore(from, state, contents)
  const owned = move(pairs, options)
  const name = await withStore(to, state, async (store, called) => {
    await fill(store, called, owned)
    return called
  })
  bindState(state, name)
  const where = name === '' ? 'the file of this host' : name
  process.stdout.write(`${owned.length} records are in ${where} now; ${from} was left as it is\n`)
}

/** A file is one host's alone; in an etcd all of it is this host's. */
function move(pairs: readonly Pair[], { from, to, state }: MigrateOptions): readonly Pair[] {
  if ((from === 'file') === (to === 'file')) return pairs
  return to === 'file' ? ownedByNobody(pairs) : ownedBy(identify(state).id, pairs)
}

/** The daemon of this state must not write meanwhile. */
async function mustBeIdle({ state }: PlaceOptions): Promise<void> {
  const [{ holderOf, stateLock }, { tryLockFile }] = await Promise.all([
    import('../daemon/listen.ts'),
    import('../sys/lock.ts'),
  ])
  makeFolder(state, 0o700)
  const lock = tryLockFile(stateLock(state), 'exclusive')
  if (lock === undefined) {
    const pid = holderOf(stateLock(state))
    throw new LanyardError('daemon-running', { what: `state ${state}`, pid })
  }
  lock.release()
}

/** `lanyard store backup FILE` */
export async function storeBackup(path: string, options: StoreOptions): Promise<void> {
  mustBeWritable(path)
  const pairs = await withStore(whereOf(options), options.state, contents)
  const text = `${JSON.stringify({ format: FORMAT, entries: pairs }, undefined, 1)}\n`
  writing(path, () => writeFileSync(path, text, { mode: 0o600 }))
  process.stdout.write(`${pairs.length} records are in ${path}\n`)
}

/** `lanyard store restore FILE`: every host says again what it has before it leases anything. */
export async function storeRestore(path: string, options: StoreOptions): Promise<void> {
  const pairs = readBackup(path)
  const where = whereOf(options)
  await withStore(where, options.state, async (store, name) => {
    // Without their epochs no host leases anything before it has said what it holds. Their records
    // stay: whether a host is drained, its labels, and that one that is gone can be forgotten.
    const kept = pairs.filter(([key]) => !key.startsWith('host-epoch/'))
    await fill(store, name, kept)
    process.stdout.write(`${kept.length} records are in ${name === '' ? 'the file' : name} now\n`)
  })
}

function readBackup(path: string): readonly Pair[] {
  const refuse = (why: string): LanyardError => new LanyardError('backup-broken', { path, why })
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw refuse((error as NodeJS.ErrnoException).code ?? 'it cannot be read')
  }
  try {
    const value = JSON.parse(text) as { format?: unknown; entries?: unknown }
    if (value.format !== FORMAT || !Array.isArray(value.entries)) throw refuse('it is no backup')
    const entries = value.entries as unknown[]
    return entries.map((entry) => {
      if (
        !Array.isArray(entry) ||
        entry.length !== 2 ||
        !entry.every((one) => typeof one === 'string')
      )
        throw refuse('one of its records is no record')
      return [String(entry[0]), String(entry[1])] as const
    })
  } catch (error) {
    throw error instanceof LanyardError ? error : refuse('it is not JSON')
  }
}
