/**
 * An endpoint whose address or MAC another host holds (a store came back older than it was) stands
 * back: its link is down until it has its lease again.
 */
import { LanyardError } from '../errors.ts'
import type { Context } from './context.ts'
import { endpointKey, type EndpointRecord } from './records.ts'
import { snapshotOf } from './sandbox.ts'
import type { Network } from './types.ts'

const OTHERS = ['address-in-use', 'mac-in-use', 'lease-elsewhere', 'lease-differs']

/** Whether an endpoint stands back. */
export function standsBack({ doubled }: Context, { network, name }: EndpointRecord): boolean {
  return doubled.has(endpointKey(network, name))
}

/**
 * Gives an endpoint that is there its lease again, or has it stand back.
 *
 * @throws LanyardError what ipam says: `address-in-use` and its like name who holds it
 */
export async function leaseBack(
  context: Context,
  network: Network,
  endpoint: EndpointRecord,
): Promise<void> {
  const taken = () => Promise.resolve(undefined)
  const addresses = endpoint.addresses.map((a) => a.address)
  const mac = network.kind === 'ipvlan' ? 'none' : endpoint.mac
  try {
    await context.addresses.lease(network, { endpoint: endpoint.name, mac, addresses, taken })
    context.doubled.delete(endpointKey(endpoint.network, endpoint.name))
  } catch (error) {
    if (!(error instanceof LanyardError) || !OTHERS.includes(error.code)) throw error
    if (context.self !== undefined) await standBack(context, endpoint, error)
    throw error
  }
}

/** Another host holds what this endpoint has: the newcomer's link goes down, and it is said. */
async function standBack(
  context: Context,
  endpoint: EndpointRecord,
  error: LanyardError,
): Promise<void> {
  const { network, name, sandbox, link } = endpoint
  const key = endpointKey(network, name)
  if (context.doubled.has(key)) return
  context.doubled.add(key)
  const there = await snapshotOf(context, sandbox)
  if (there?.links.find((one) => one.name === link)?.up === true)
    await context.fabric.apply([{ do: 'link.set', netns: sandbox, name: link, up: false }])
  const detail = `${error.message}: link ${link} in ${sandbox} was taken down`
  context.emit({ what: 'conflict', network, endpoint: name, detail })
}
