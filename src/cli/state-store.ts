/** The store of a state folder: a file in it, or an etcd. */
import { randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { LanyardError } from '../errors.ts'
import type { Store } from '../store/store.ts'

const NAME_FILE = 'store-name'
const HOST_FILE = 'host-id'
/** Whose networks a shared store keeps. */
const HOST_KEY = 'host'

/**
 * Opens the store of a state folder. Which store a state belongs to is written down in it: links of
 * this host that belong to the records of one store must not be judged by those of another.
 *
 * @throws LanyardError `store-differs`, `store-of-other-host`, `store-address-invalid`,
 * `store-unavailable`, `store-denied`, `store-corrupt`
 */
export async function openStateStore(state: string, where: string | undefined): Promise<Store> {
  const known = nameIn(state)
  if (where === undefined) {
    if (known !== undefined)
      throw new LanyardError('store-differs', { state, belongs: known, asked: undefined })
    const { openLmdbStore } = await import('../store/lmdb.ts')
    return await openLmdbStore(join(state, 'store.lmdb'))
  }
  const [{ readStoreAddress }, { openEtcdStore }] = await Promise.all([
    import('./store-file.ts'),
    import('../store/etcd.ts'),
  ])
  const store = await openEtcdStore(readStoreAddress(where))
  try {
    await claimStore(store, store.name, state)
  } catch (error) {
    await store.close()
    throw error
  }
  if (known !== store.name) writeFileSync(join(state, NAME_FILE), `${store.name}\n`)
  return store
}

/**
 * A store keeps the endpoints of one host: another would take them for links of its own that are
 * missing. Who comes first has it.
 *
 * @throws LanyardError `store-of-other-host`
 */
async function claimStore(store: Store, name: string, state: string): Promise<void> {
  const id = hostId(state)
  const { done, found } = await store.transact({
    when: [{ key: HOST_KEY, is: 'absent' }],
    then: [{ put: HOST_KEY, value: JSON.stringify({ id, name: hostname() }) }],
    otherwise: [HOST_KEY],
  })
  const holder = found[0]?.value
  if (done || holder === undefined) return
  const { id: theirs, name: host } = JSON.parse(holder) as { id: string; name: string }
  if (theirs !== id) throw new LanyardError('store-of-other-host', { store: name, host })
}

/** Made up once, and kept in the state: who this host is to a store. */
function hostId(state: string): string {
  const path = join(state, HOST_FILE)
  try {
    writeFileSync(path, randomUUID(), { flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return readFileSync(path, 'utf8')
}

function nameIn(state: string): string | undefined {
  try {
    return readFileSync(join(state, NAME_FILE), 'utf8').trim()
  } catch {
    return undefined
  }
}
