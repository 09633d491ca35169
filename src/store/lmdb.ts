/**
 * The embedded store on disk: one LMDB file that any number of processes open (the daemon, and a
 * command that works without one). LMDB copies what it changes and swings one head at the end, so a
 * crash at any moment leaves the last committed state, and nothing needs to be replayed.
 *
 * Every transaction is on disk (fdatasync) before it is answered. What is asked in one turn of the
 * event loop is committed together. The commit itself is synchronous: it holds the event loop for
 * the time of one fdatasync, and for as long as another process is committing.
 *
 * Another process's changes are noticed by inotify on the file, and looked for again 25 ms and 1 s
 * after (LMDB writes the file a moment before it shows readers the new head). Nothing polls.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, statSync, watch } from 'node:fs'
import { dirname } from 'node:path'
import type { RootDatabase } from 'lmdb'
import { LanyardError } from '../errors.ts'
import { EmbeddedStore, type EmbeddedOptions } from './embedded.ts'
import { findDamage } from './lmdb-check.ts'
import type { Ordered, Writer } from './ordered.ts'
import type { Store } from './store.ts'

/** Address space set aside, not disk: the file is as long as what is in it. */
const MAP_SIZE = 1 << 30
const FORMAT_KEY = 'mformat'
const FORMAT = 'lanyard store 1'
/** Transactions of one commit, at the most. */
const BATCH = 100
const LOOK_AGAIN_MS = [25, 1000]

/**
 * Opens the store in a file, or makes it. Opening it again, here or in another process, gives a
 * second handle on the same entries. A crash leaves all transactions that were answered, and of the
 * others each whole or not at all.
 *
 * @throws LanyardError `store-corrupt` (damaged, or not ours; it is left as it is), `store-denied`,
 * `store-full`, `store-unavailable`
 * @example
 * ```ts
 * const store = await openLmdbStore('/var/lib/lanyard/store.lmdb')
 * ```
 */
export async function openLmdbStore(path: string, options: EmbeddedOptions = {}): Promise<Store> {
  const fresh = prepare(path)
  const { open } = await import('lmdb')
  const db = attempt(path, () =>
    open<unknown, string>({
      path,
      noSubdir: true,
      mapSize: MAP_SIZE,
      encoding: 'msgpack',
      // Durable means on disk, not on its way to it.
      overlappingSync: false,
      cache: false,
    }),
  )
  try {
    attempt(path, () => claim(db, path))
  } catch (error) {
    await db.close()
    throw error
  }
  if (fresh) syncFolder(path)
  return new EmbeddedStore(new LmdbMap(db, path), options)
}

/** Refuses what LMDB would stumble over. @returns whether there was no file */
function prepare(path: string): boolean {
  try {
    mkdirSync(dirname(path), { recursive: true })
    // Not truncated, not locked; makes an empty file when there is none.
    closeSync(openSync(path, 'a+', 0o600))
    const stat = statSync(path)
    const damage = stat.isFile() ? findDamage(path) : 'it is not a plain file'
    if (damage !== undefined) throw new LanyardError('store-corrupt', { store: path, why: damage })
    return stat.size === 0
  } catch (error) {
    throw translate(error, path)
  }
}

/** Writes our mark into an empty file; refuses one that another program filled. */
function claim(db: RootDatabase<unknown, string>, path: string): void {
  const format = db.get(FORMAT_KEY)
  if (format === FORMAT) return
  const [first] = db.getKeys({ limit: 1 })
  if (first !== undefined) {
    const why =
      typeof format === 'string'
        ? `it is a "${format}", this program knows "${FORMAT}"`
        : 'another program keeps its data there'
    throw new LanyardError('store-corrupt', { store: path, why })
  }
  db.transactionSync(() => {
    if (db.get(FORMAT_KEY) === undefined) db.putSync(FORMAT_KEY, FORMAT)
  })
}

/** A new file is durable once its name is. */
function syncFolder(path: string): void {
  const folder = openSync(dirname(path), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

interface Work {
  /** Does it, and keeps what it returned. */
  run(writer: Writer): void
  settle(error: unknown): void
}

class LmdbMap implements Ordered {
  readonly name: string
  readonly #db: RootDatabase<unknown, string>
  readonly #writer: Writer
  #queue: Work[] = []
  #committing: Promise<void> | undefined

  constructor(db: RootDatabase<unknown, string>, path: string) {
    this.name = path
    this.#db = db
    this.#writer = {
      put: (key, value) => db.putSync(key, value),
      remove: (key) => {
        db.removeSync(key)
      },
    }
  }

  refresh(): void {
    this.#db.resetReadTxn()
  }

  get(key: string): unknown {
    return attempt(this.name, () => this.#db.get(key))
  }

  range(start: string, end: string, limit: number): Iterable<readonly [string, unknown]> {
    return attempt(this.name, () =>
      Array.from(
        this.#db.getRange({ start, end, limit }),
        ({ key, value }) => [key, value] as const,
      ),
    )
  }

  write<T>(work: (writer: Writer) => T): Promise<T> {
    const done = new Promise<T>((resolve, reject) => {
      let result: T
      this.#queue.push({
        run: (writer) => {
          result = work(writer)
        },
        settle: (error) => (error === undefined ? resolve(result) : reject(error)),
      })
    })
    this.#committing ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#committing = undefined
        this.#commitQueue()
        resolve()
      })
    })
    return done
  }

  #commitQueue(): void {
    const queue = this.#queue
    this.#queue = []
    for (let at = 0; at < queue.length; at += BATCH) this.#commit(queue.slice(at, at + BATCH))
  }

  /** All in one commit; when that fails, each for itself, so that none fails for another. */
  #commit(works: readonly Work[]): void {
    try {
      attempt(this.name, () =>
        this.#db.transactionSync(() => {
          for (const work of works) work.run(this.#writer)
        }),
      )
    } catch (error) {
      if (works.length === 1) works[0]?.settle(error)
      else for (const work of works) this.#commit([work])
      return
    }
    for (const work of works) work.settle(undefined)
  }

  listen(listener: () => void): { close(): void } {
    let timers: NodeJS.Timeout[] = []
    const again = (): void => {
      for (const timer of timers) clearTimeout(timer)
      timers = LOOK_AGAIN_MS.map((ms) => setTimeout(listener, ms).unref())
    }
    const watcher = watch(this.name, () => {
      listener()
      again()
    })
    return {
      close: () => {
        watcher.close()
        for (const timer of timers) clearTimeout(timer)
      },
    }
  }

  async close(): Promise<void> {
    await this.#committing
    await this.#db.close()
  }
}

function attempt<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw translate(error, path)
  }
}

const ENOSPC = 28
/** Codes of lmdb.h, of errno, and Node's names for the latter. */
const FULL = new Set<unknown>([-30792, ENOSPC, 122, 27, 'ENOSPC', 'EDQUOT', 'EFBIG'])
const CORRUPT = new Set<unknown>([-30797, -30796, -30795, -30794, -30793, -30784])
const DENIED = new Set<unknown>([1, 13, 30, 'EPERM', 'EACCES', 'EROFS'])

/** An error of LMDB or of the file system, in our words; its own are the cause. */
function translate(error: unknown, store: string): unknown {
  if (error instanceof LanyardError || !(error instanceof Error)) return error
  const { code } = error as { readonly code?: unknown }
  if (code === undefined) return error
  const why = error.message
  if (FULL.has(code)) return new LanyardError('store-full', { store, why }, { cause: error })
  if (DENIED.has(code)) return new LanyardError('store-denied', { store, why }, { cause: error })
  if (CORRUPT.has(code) || code === 'EISDIR')
    return new LanyardError('store-corrupt', { store, why }, { cause: error })
  return new LanyardError('store-unavailable', { store, why }, { cause: error })
}
