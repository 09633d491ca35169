/**
 * Spares taken while there is room, and given back where the network or the host goes. Only the
 * daemon of a host does either, to its own.
 */
import { familyOf, formatIp, type Ip, parseIp } from '../addr/ip.ts'
import { LanyardError } from '../errors.ts'
import { sizeOf } from '../ipam/spare.ts'
import type { Context } from './context.ts'
import { giveBack, SPARES_LOCK } from './reclaim.ts'
import { joinedNetworks, type NetworkRecord } from './records.ts'
import { familiesOf, macOfSpare, type Spare, type Spares } from './spares.ts'
import { takenOnLan } from './taken.ts'

/** What it says of an address or a MAC that another has. */
const OTHERS = [
  'address-in-use',
  'address-not-usable',
  'lease-differs',
  'lease-elsewhere',
  'mac-in-use',
  'pool-missing',
]
/** What the LAN says, or the host itself. */
const ELSEWHERE = ['address-on-lan', 'address-lingers', 'address-of-host']
/** Addresses tried for one spare: some may be somebody's on the LAN. */
const TRIES = 3

/**
 * Brings what this host holds to what it should. Repeatable; a crash leaves what was asked for
 * written down.
 *
 * @param all looks in the store, too, at whether it still knows those that are held, and no others
 */
export async function tendSpares(context: Context, all: boolean): Promise<void> {
  const { spares, self, locks } = context
  if (spares === undefined || self === undefined) return
  await locks.run({ alone: [SPARES_LOCK] }, async () => {
    const networks = await joinedNetworks(context.store, self.id)
    await self.refresh()
    const ready = self.drained ? [] : networks.filter((one) => one.phase === 'ready')
    const isWanted = (spare: Spare): boolean =>
      spare.state === 'held' && ready.some((one) => isOf(one, spare) && isAmong(spares, one, spare))
    await giveBack(context, spares, (spare) => !isWanted(spare))
    for (const network of networks) {
      if (all) await look(context, spares, network)
      if (!ready.includes(network)) continue
      for (const family of familiesOf(network)) await refill(context, spares, network, family)
    }
    if (all) spares.trusted = true
  })
}

const isOf = (network: NetworkRecord, spare: Spare): boolean =>
  spare.network === network.name && spare.segment === network.segment

const familyOfSpare = ({ address }: Spare): 4 | 6 => familyOf(parseIp(address))

/** How many spares of a family a network is to have here; all its families have some or none. */
function wanted({ count, least }: Spares, network: NetworkRecord, family: 4 | 6): number {
  const families = familiesOf(network)
  const isLarge = families.every((one) => sizeOf(network.pools, one) >= BigInt(least))
  return isLarge && families.includes(family) ? count : 0
}

/** As {@link tendSpares}, where there is something to do: for whoever asks often. */
export async function keepSpares(context: Context): Promise<void> {
  const { spares, self, store } = context
  if (spares === undefined || self === undefined) return
  await self.refresh()
  const networks = (await joinedNetworks(store, self.id)).filter((one) => one.phase === 'ready')
  if (self.drained ? spares.list.length > 0 : lacksSpares(spares, networks))
    await tendSpares(context, false)
}

function lacksSpares(spares: Spares, networks: readonly NetworkRecord[]): boolean {
  const isStale = (spare: Spare): boolean =>
    spare.state !== 'held' || !networks.some((network) => isOf(network, spare))
  if (spares.list.some(isStale)) return true
  return networks.some((network) =>
    familiesOf(network).some((family) => missing(spares, network, family) !== 0),
  )
}

const ofFamily = ({ list }: Spares, network: NetworkRecord, family: 4 | 6): readonly Spare[] =>
  list.filter((one) => isOf(network, one) && familyOfSpare(one) === family)

function missing(spares: Spares, network: NetworkRecord, family: 4 | 6): number {
  return wanted(spares, network, family) - ofFamily(spares, network, family).length
}

/** Whether a spare is among as many as are wanted. */
function isAmong(spares: Spares, network: NetworkRecord, spare: Spare): boolean {
  const family = familyOfSpare(spare)
  const kept = ofFamily(spares, network, family).slice(0, wanted(spares, network, family))
  return kept.includes(spare)
}

/** Those that this host may take and the store has lost are leased again; strays are given back. */
async function look(context: Context, spares: Spares, network: NetworkRecord): Promise<void> {
  for (const spare of spares.list) {
    if (!isOf(network, spare) || spare.state !== 'held') continue
    const ip = parseIp(spare.address)
    const taken = () => Promise.resolve(undefined)
    try {
      await context.addresses.leaseSpare(network, ip, { mac: macFor(context, network, ip), taken })
    } catch (error) {
      if (!isOthers(error)) throw error
      // A store that was put back to an older state has given it to somebody else.
      spares.drop(spare)
    }
  }
  for (const ip of await context.addresses.sparesOf(network)) {
    const address = formatIp(ip)
    if (spares.list.some((one) => isOf(network, one) && one.address === address)) continue
    const { name, segment } = network
    spares.set({ segment, network: name, address, state: 'going' })
  }
  await giveBack(context, spares, (one) => isOf(network, one) && one.state === 'going')
}

const isOthers = (error: unknown): boolean =>
  error instanceof LanyardError && OTHERS.includes(error.code)

const macFor = (context: Context, network: NetworkRecord, ip: Ip): number | 'none' =>
  network.kind === 'ipvlan' ? 'none' : macOfSpare(context, network.segment, ip)

async function refill(
  context: Context,
  spares: Spares,
  network: NetworkRecord,
  family: 4 | 6,
): Promise<void> {
  const vain = new Set<Ip>()
  while (vain.size < TRIES && missing(spares, network, family) > 0) {
    const ip = await context.addresses.nextSpare(network, family, (one) => vain.has(one))
    if (ip === undefined) return
    const mac = macFor(context, network, ip)
    const address = formatIp(ip)
    const spare = { segment: network.segment, network: network.name, address } as const
    spares.set({ ...spare, state: 'asked' })
    try {
      const taken = takenOnLan(context, network, mac === 'none' ? undefined : mac)
      await context.addresses.leaseSpare(network, ip, { mac, taken })
      spares.set({ ...spare, state: 'held' })
    } catch (error) {
      const code = error instanceof LanyardError ? error.code : ''
      // Somebody was faster, or has it on the LAN; of anything else nobody knows.
      if (!isOthers(error) && !ELSEWHERE.includes(code)) throw error
      spares.drop({ ...spare, state: 'asked' })
      vain.add(ip)
    }
  }
}
