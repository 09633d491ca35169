/** The store of a state folder: a file in it, or an etcd that hosts share. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LanyardError } from '../errors.ts'
import type { Store } from '../store/store.ts'

const NAME_FILE = 'store-name'

/**
 * Opens the store of a state folder. Which store a state belongs to is written down in it: links of
 * this host that belong to the records of one store must not be judged by those of another.
 *
 * @throws LanyardError `store-differs`, `store-address-invalid`, `store-unavailable`,
 * `store-denied`, `store-corrupt`
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
  if (known !== store.name) writeFileSync(join(state, NAME_FILE), `${store.name}\n`)
  return store
}

function nameIn(state: string): string | undefined {
  try {
    return readFileSync(join(state, NAME_FILE), 'utf8').trim()
  } catch {
    return undefined
  }
}
