/** `lanyard host`: the hosts that share a store. Spoken to the store itself, not to a daemon. */
import { createIpam, entriesUnder } from '../ipam/ipam.ts'
import { nameOfKey } from '../ipam/keys.ts'
import { listHoldings } from '../ipam/list.ts'
import { release } from '../ipam/release.ts'
import { epochKey, forgottenKey, hostKey, type HostRecord, HOSTS, liveKey } from '../engine/self.ts'
import { LanyardError } from '../errors.ts'
import type { Entry, Store } from '../store/store.ts'
import type { PlaceOptions } from './place.ts'
import { formatTable } from './table.ts'

export interface HostOptions extends PlaceOptions {
  readonly json?: boolean
  readonly off?: boolean
  readonly force?: boolean
}

interface Host extends HostRecord {
  readonly id: string
  readonly alive: boolean
  readonly endpoints: number
  readonly addresses: number
}

/** The store that hosts share, closed afterwards. */
async function withShared<T>(
  { store: where }: PlaceOptions,
  work: (store: Store, name: string) => Promise<T>,
): Promise<T> {
  if (where === undefined) throw new LanyardError('store-alone', {})
  const { openShared } = await import('./state-store.ts')
  const store = await openShared(where)
  try {
    return await work(store, store.name)
  } finally {
    await store.close()
  }
}

async function hostsOf(store: Store): Promise<readonly Host[]> {
  const holdings = await listHoldings(createIpam(store, { nowMs: Date.now }))
  const here = await entriesUnder(store, 'here/')
  const count = (id: string): number => here.filter(({ key }) => key.split('/')[1] === id).length
  const hosts = (await entriesUnder(store, HOSTS)).map(async (entry): Promise<Host> => {
    const id = entry.key.slice(HOSTS.length)
    return {
      ...(JSON.parse(entry.value) as HostRecord),
      id,
      alive: (await store.get(liveKey(id))) !== undefined,
      endpoints: count(id),
      addresses: holdings.filter((one) => one.host === id).length,
    }
  })
  return await Promise.all(hosts)
}

/** `lanyard host ls` */
export async function hostList(options: HostOptions): Promise<void> {
  const hosts = await withShared(options, hostsOf)
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify(hosts, undefined, 2)}\n`)
    return
  }
  const rows = hosts.map((one) => [
    one.name,
    one.id,
    one.alive ? 'alive' : 'silent',
    one.drained === true ? 'drained' : 'open',
    `${one.endpoints}`,
    `${one.addresses}`,
    Object.entries(one.labels ?? {})
      .map(([label, link]) => `${label}=${link}`)
      .join(' '),
  ])
  const head = ['HOST', 'ID', 'DAEMON', 'STATE', 'ENDPOINTS', 'ADDRESSES', 'LABELS']
  process.stdout.write(formatTable(head, rows))
}

/** A host by name or id; a name that two have is refused. */
async function find(store: Store, wanted: string): Promise<{ id: string; entry: Entry }> {
  const entries = await entriesUnder(store, HOSTS)
  const named = entries.map((entry) => ({
    id: entry.key.slice(HOSTS.length),
    name: (JSON.parse(entry.value) as HostRecord).name,
    entry,
  }))
  const found = named.filter(({ id, name }) => id === wanted || name === wanted)
  const [one] = found
  if (one === undefined || found.length > 1) {
    const known = (found.length > 1 ? found : named).map(({ id, name }) => `${name} (${id})`)
    throw new LanyardError('host-missing', { host: wanted, known })
  }
  return one
}

async function change(
  store: Store,
  wanted: string,
  edit: (record: HostRecord) => HostRecord,
): Promise<HostRecord> {
  for (;;) {
    const { entry } = await find(store, wanted)
    const record = edit(JSON.parse(entry.value) as HostRecord)
    const { done } = await store.transact({
      when: [{ key: entry.key, modRevision: entry.modRevision }],
      then: [{ put: entry.key, value: JSON.stringify(record) }],
    })
    if (done) return record
  }
}

/** `lanyard host drain` */
export async function hostDrain(wanted: string, options: HostOptions): Promise<void> {
  const drained = options.off !== true
  const { name } = await withShared(options, (store) =>
    change(store, wanted, (record) => ({ ...record, drained })),
  )
  const says = drained ? 'takes no new endpoints; those it has stay' : 'takes endpoints again'
  process.stdout.write(`host ${name} ${says}\n`)
}

/** `lanyard host label HOST NAME=LINK...`; an empty LINK takes the label away. */
export async function hostLabel(
  wanted: string,
  texts: readonly string[],
  options: HostOptions,
): Promise<void> {
  const pairs = texts.map((text): [string, string] => {
    const match = /^([a-zA-Z0-9_-]+)=(\S*)$/.exec(text)
    if (match === null) throw new LanyardError('label-invalid', { text })
    return [match[1] ?? '', match[2] ?? '']
  })
  await withShared(options, (store) =>
    change(store, wanted, (record) => {
      const all = Object.entries({ ...record.labels, ...Object.fromEntries(pairs) })
      return { ...record, labels: Object.fromEntries(all.filter(([, link]) => link !== '')) }
    }),
  )
}

/** `lanyard host forget`: of a host that is gone for good; what it held is free again. */
export async function hostForget(wanted: string, options: HostOptions): Promise<void> {
  await withShared(options, async (store) => {
    const { id, entry } = await find(store, wanted)
    const { name } = JSON.parse(entry.value) as HostRecord
    if (options.force !== true && (await store.get(liveKey(id))) !== undefined)
      throw new LanyardError('host-alive', { host: name })
    // First it can lease nothing any more; then what it has goes, whatever it still says.
    await store.transact({
      when: [],
      then: [{ delete: epochKey(id) }, { put: forgottenKey(id), value: name }],
    })
    const ipam = createIpam(store, { nowMs: Date.now })
    let freed = 0
    for (const { key, value } of await entriesUnder(store, 'ipam/end/')) {
      if ((JSON.parse(value) as { host?: string }).host !== id) continue
      const [, , segment = '', network = ''] = key.split('/').map(decodeURIComponent)
      if (await release(ipam, { segment, network, endpoint: nameOfKey(key), host: id })) freed++
    }
    for (const prefix of [`here/${id}/`, `parent/${id}/`])
      for (const { key, value } of await entriesUnder(store, prefix)) {
        const shared = key.replace(`here/${id}/`, 'endpoint/')
        const when = prefix.startsWith('here/') ? [{ key: shared, value }] : []
        const { done } = await store.transact({
          when,
          then: [{ delete: key }, ...(when.length > 0 ? [{ delete: shared }] : [])],
        })
        if (!done) await store.transact({ when: [], then: [{ delete: key }] })
      }
    await store.transact({
      when: [],
      then: [{ delete: hostKey(id) }, { delete: liveKey(id) }],
    })
    process.stdout.write(`host ${name} is forgotten; ${freed} leases were freed\n`)
  })
}
