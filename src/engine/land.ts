/**
 * The store is back: what took a spare meanwhile gets its record there, and holds the address under
 * its own name. Where another host has the name, or a store that was lost has given the address to
 * somebody else, the newcomer stands back.
 *
 * A crash in the middle leaves some told and some not; at the next start it is done once more.
 */
import { formatPrefix } from '../addr/prefix.ts'
import type { Context } from './context.ts'
import { takeAway } from './disconnect.ts'
import {
  endpointGone,
  endpointKey,
  type EndpointRecord,
  findEndpoint,
  findNetwork,
  type NetworkRecord,
  putEndpoint,
  saveEndpoint,
} from './records.ts'

/** @throws LanyardError `store-unavailable`: then nothing is lost, and it is to be done again */
export async function land(context: Context): Promise<void> {
  const { spares, store } = context
  if (spares === undefined || context.island === undefined) return
  if (spares.endpoints.length > 0) {
    const island = await context.island.open()
    for (const [key] of spares.endpoints) {
      const [network = '', name = ''] = key.split('/')
      const record = await findEndpoint(island.store, network, name)
      if (record !== undefined) await landOne(context, island, record)
    }
  } else if (spares.away) await store.revision()
  context.island.close()
}

async function landOne(context: Context, island: Context, record: EndpointRecord): Promise<void> {
  const { store, self, addresses, copy, spares } = context
  const { network: name, name: endpoint } = record
  const here = await findNetwork(island.store, name, island.self?.id)
  for (;;) {
    const network = await findNetwork(store, name, self?.id)
    if (here === undefined || network?.phase !== 'ready' || network.id !== here.id) {
      await takeBack(context, island, record, here, `network ${name} is gone`)
      return
    }
    const known = await findEndpoint(store, name, endpoint)
    if (known !== undefined && known.hostId !== self?.id) {
      const host = (await self?.nameOf(known.hostId ?? '')) ?? ''
      await takeBack(context, island, record, here, `it is on host ${host} already`)
      return
    }
    const { unchanged: _own, ...told } = record
    if (known !== undefined && isSame(known, record)) {
      copy?.settle({ network: name, name: endpoint })
      if (putEndpoint(known)[0]?.value !== putEndpoint(record)[0]?.value)
        await saveEndpoint(store, { ...told, ...unchangedOf(known) })
      return
    }
    await dropFormer(context, network, record, known)
    copy?.settle({ network: name, name: endpoint })
    const ips = record.addresses.map((a) => a.address)
    spares?.tell(name, ips)
    const outcome = await addresses.renameSpares(network, {
      endpoint,
      addresses: ips,
      mac: network.kind === 'ipvlan' ? undefined : record.mac,
      when: [{ key: endpointKey(name, endpoint), is: 'absent' }],
      also: putEndpoint(told),
    })
    // Without a lease it stands back: the leases are looked at next.
    if (outcome === 'held') await saveEndpoint(store, told)
    if (outcome === 'done' || outcome === 'held') return
    const host = await addresses.hostOf(network, endpoint)
    const elsewhere = outcome === 'named' && host !== undefined && host !== self?.id
    if (outcome === 'gone' || elsewhere) {
      const why = elsewhere ? `it is on host ${await self?.nameOf(host)} already` : 'its pools went'
      await takeBack(context, island, record, here, why)
      return
    }
  }
}

const isSame = (a: EndpointRecord, b: EndpointRecord): boolean =>
  a.addresses.map(formatPrefix).join() === b.addresses.map(formatPrefix).join()

const unchangedOf = ({ unchanged }: EndpointRecord) =>
  unchanged === undefined ? {} : { unchanged }

/**
 * What the store has of an endpoint of ours of that name is of one that went, or that was asked for
 * before the spare was taken and not answered.
 */
async function dropFormer(
  context: Context,
  network: NetworkRecord,
  record: EndpointRecord,
  known: EndpointRecord | undefined,
): Promise<void> {
  const { addresses } = context
  const { name } = record
  if (known === undefined) {
    const key = endpointKey(network.name, name)
    await addresses.release(network, name, { when: [{ key, is: 'absent' }] })
  } else if (known.sandbox !== record.sandbox && known.sandbox !== '')
    await takeAway(context, network, { ...known, phase: 'leaving' })
  else {
    // Its link is the new one's by now.
    const when = known.unchanged === undefined ? [] : [known.unchanged]
    const also = endpointGone(known)
    if (!(await addresses.release(network, name, { also, when })))
      await context.store.transact({ when, then: also })
  }
}

/** The newcomer's link goes, its spare is one again, and it is said. */
async function takeBack(
  context: Context,
  island: Context,
  record: EndpointRecord,
  network: NetworkRecord | undefined,
  why: string,
): Promise<void> {
  if (network !== undefined) await takeAway(island, network, { ...record, phase: 'leaving' })
  const detail = `${why}: what came in ${record.sandbox} while the store was away was taken away`
  const { network: of, name: endpoint } = record
  context.emit({ what: 'conflict', network: of, endpoint, detail })
}
