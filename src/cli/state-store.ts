/** The store of a state folder: a file in it, or an etcd that hosts share. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  writeSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { HostOptions } from '../engine/engine.ts'
import { type CopyFile, HostCopy } from '../engine/host-copy.ts'
import { NETWORKS } from '../engine/records.ts'
import { hostKey } from '../engine/self.ts'
import { LanyardError } from '../errors.ts'
import { makeFolder } from './files.ts'
import type { Store } from '../store/store.ts'

const NAME_FILE = 'store-name'
const STORE_FILE = 'store.lmdb'
const COPY_FILE = 'host-copy.json'
const SPARES_FILE = 'host-spares.json'
const ID_FILE = 'host-id'

export interface StateStore {
  readonly store: Store
  /** Which host this is, where the store is not its own. */
  readonly self: HostOptions | undefined
  /** Told when the store went back in time. */
  onWentBack(listener: () => void): void
}

/**
 * Opens the store of a state folder. Which store a state belongs to is written down in it: links of
 * this host that belong to the records of one store must not be judged by those of another.
 *
 * @throws LanyardError `store-differs`, `store-address-invalid`, `store-unavailable`,
 * `store-denied`, `store-corrupt`, `host-nameless`
 */
export async function openStateStore(
  state: string,
  where: string | undefined,
): Promise<StateStore> {
  const known = read(join(state, NAME_FILE))?.trim()
  if (where === undefined) {
    mustBeOwn(state)
    const store = await openEmbedded(state)
    return { store, self: undefined, onWentBack: () => undefined }
  }
  const store = await openShared(where)
  try {
    const self = identify(state)
    await mustBelong(state, known, store, self)
    if (known !== store.name) writeSafely(join(state, NAME_FILE), `${store.name}\n`)
    return { store, self, onWentBack: (listener) => store.onWentBack(listener) }
  } catch (error) {
    await store.close()
    throw error
  }
}

/**
 * Without `--store` the file in the state folder is meant: nothing, where the state belongs to an
 * etcd, would be said to be in order, or saved.
 *
 * @throws LanyardError `store-differs`
 */
export function mustBeOwn(state: string): void {
  const belongs = read(join(state, NAME_FILE))?.trim() ?? ''
  if (belongs !== '') throw new LanyardError('store-differs', { state, belongs, asked: undefined })
}

/**
 * Links of this host whose records are elsewhere would be taken for leftovers, and what it holds
 * would be said again where it does not belong. An etcd that has moved to other servers is still
 * the same one; under another prefix it is another, unless it was put there from a backup and knows
 * this host.
 *
 * @throws LanyardError `store-differs`
 */
async function mustBelong(
  state: string,
  known: string | undefined,
  store: Store & { readonly name: string },
  self: HostOptions,
): Promise<void> {
  const differs = (belongs: string | undefined): LanyardError =>
    new LanyardError('store-differs', { state, belongs, asked: store.name })
  if (known === undefined || known === '') {
    if (await hasNetworks(state)) throw differs(undefined)
    return
  }
  const { sameInstallation } = await import('../store/etcd-address.ts')
  const holds = Object.keys(new HostCopy(self.copy).entries).length > 0
  if (sameInstallation(known, store.name) || !holds) return
  if ((await store.get(hostKey(self.id))) === undefined) throw differs(known)
}

async function hasNetworks(state: string): Promise<boolean> {
  if (!existsSync(join(state, STORE_FILE))) return false
  const store = await openEmbedded(state)
  try {
    return (await store.range(NETWORKS, { limit: 1 })).entries.length > 0
  } finally {
    await store.close()
  }
}

/** The file in a state folder. */
export async function openEmbedded(state: string): Promise<Store> {
  const { openLmdbStore } = await import('../store/lmdb.ts')
  return await openLmdbStore(join(state, STORE_FILE))
}

/** What a daemon writes down of the addresses it holds for when the store is away. */
export function sparesFile(state: string): CopyFile {
  const path = join(state, SPARES_FILE)
  return { read: () => read(path), write: (text) => writeSafely(path, text) }
}

/** An etcd, as `--store` names it. */
export async function openShared(where: string) {
  const [{ readStoreAddress }, { openEtcdStore }] = await Promise.all([
    import('./store-file.ts'),
    import('../store/etcd.ts'),
  ])
  return await openEtcdStore(readStoreAddress(where))
}

/** From now on the state belongs to another store; '' is the file in it. */
export function bindState(state: string, name: string): void {
  writeSafely(join(state, NAME_FILE), `${name}\n`)
}

/**
 * The machine-id, under which the host is known whatever it is called; `host-id` in the state
 * folder (`ID NAME`) stands for it where several installations share a machine.
 */
export function identify(state: string): HostOptions {
  const [id, name = hostname()] = (read(join(state, ID_FILE)) ?? read('/etc/machine-id') ?? '')
    .trim()
    .split(/\s+/)
  if (id === undefined || !/^[a-zA-Z0-9_-]{1,64}$/.test(id))
    throw new LanyardError('host-nameless', { file: '/etc/machine-id' })
  const path = join(state, COPY_FILE)
  return {
    id,
    name,
    boot: bootOf(),
    random: Math.random,
    copy: { read: () => read(path), write: (text) => writeSafely(path, text) },
  }
}

/** The boot, and the network namespace in it: two of them are two hosts. */
function bootOf(): string {
  const boot = (read('/proc/sys/kernel/random/boot_id') ?? '').trim()
  const netns = /\d+/.exec(readlinkSync('/proc/self/ns/net'))?.[0] ?? ''
  return `${boot}/${netns}`
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** Whole or not at all, and on disk. */
function writeSafely(path: string, text: string): void {
  makeFolder(join(path, '..'), 0o700)
  const beside = `${path}.${process.pid}.new`
  const file = openSync(beside, 'w', 0o600)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(beside, path)
}
