/** What the doctor looks at, read off this machine. Reads only; `tryParents` sends. */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { release } from 'node:os'
import type { Ip4 } from '../addr/ip.ts'
import { DOCTOR_NETNS, tryParent } from '../doctor/active.ts'
import { type ActiveFacts, type Facts, type LanNetwork, MODULES } from '../doctor/facts.ts'
import { childrenOf, gatewayOf, host, subnetsOf } from '../doctor/view.ts'
import type { Network } from '../engine/types.ts'
import { LanyardError } from '../errors.ts'
import type { LinkSnapshot } from '../fabric/snapshot.ts'
import { type KernelFabric, openKernel } from '../kernel/fabric.ts'
import { cardFacts, distribution, machineFacts, moduleState } from '../kernel/machine.ts'
import { DOCKER_SOCKET, listContainers } from './containers.ts'
import { dockerNetworks, podmanNetworks } from './foreign-networks.ts'
import { settledSnapshot } from './lab-settle.ts'
import { nameNamespaces } from './live-names.ts'
import { shortcomingsOf } from './live-shortcomings.ts'
import { openPlaceEngine, type PlaceOptions } from './place.ts'

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Everything that can be read without sending a frame. */
export async function readFacts(place: PlaceOptions): Promise<Facts> {
  const [taken, engines, networks] = await Promise.all([
    settledSnapshot(),
    listContainers(),
    allNetworks(place),
  ])
  const names = nameNamespaces(taken.namespaces, taken.snapshot, engines.containers)
  const modules = MODULES.map((name) => [name, moduleState(name)] as const)
  return {
    kernel: {
      release: release(),
      modules: Object.fromEntries(modules) as Facts['kernel']['modules'],
      distribution: distribution(),
    },
    machine: machineFacts(),
    snapshot: taken.snapshot,
    names: Object.fromEntries(names.of),
    cards: cardFacts(),
    networks: networks.found,
    active: [],
    unread: [
      ...shortcomingsOf(taken, engines.silent, (netns) => names.of.get(netns) ?? netns),
      ...networks.unread,
      ...(process.getuid?.() === 0 ? [] : ['not run as root: much cannot be read (sudo)']),
    ],
  }
}

async function allNetworks(
  place: PlaceOptions,
): Promise<{ found: LanNetwork[]; unread: string[] }> {
  const unread: string[] = []
  const attempt = async (
    whose: string,
    read: () => Promise<readonly LanNetwork[]>,
  ): Promise<readonly LanNetwork[]> => {
    try {
      return await read()
    } catch (error) {
      unread.push(`networks of ${whose}: ${reason(error)}`)
      return []
    }
  }
  const found = await Promise.all([
    attempt('Docker', () => dockerNetworks(DOCKER_SOCKET)),
    attempt('podman', () => Promise.resolve(podmanNetworks())),
    attempt('Lanyard', () => lanyardNetworks(place)),
  ])
  return { found: found.flat(), unread }
}

/** Looking must not make a state where there is none. */
async function lanyardNetworks(place: PlaceOptions): Promise<readonly LanNetwork[]> {
  if (!existsSync(place.socket) && !existsSync(place.state)) return []
  const { engine } = await openPlaceEngine(place)
  try {
    return (await engine.networks()).map(lanNetwork)
  } finally {
    await engine.close()
  }
}

function lanNetwork(network: Network): LanNetwork {
  const { name, kind, macvlanMode, ipvlanMode, parentLink, internal, pools } = network
  return {
    owner: 'Lanyard',
    name,
    driver: kind,
    mode: kind === 'macvlan' ? macvlanMode : ipvlanMode,
    parent: parentLink,
    internal,
    pools: pools.map(({ subnet, range, gateway }) => ({ subnet, range, gateway })),
  }
}

/**
 * Sends: does the LAN take a second MAC, who hands out addresses, who else has ours.
 *
 * @throws LanyardError `needs-root`, `usage` for a link that is not there
 */
export async function tryParents(facts: Facts, wanted: readonly string[]): Promise<ActiveFacts[]> {
  const kernel = await openKernel()
  try {
    await sweepLeftovers(kernel, facts)
    const tried: ActiveFacts[] = []
    for (const name of wanted) tried.push(await tryOne(kernel, facts, linkOf(facts, name)))
    return tried
  } finally {
    await kernel.close()
  }
}

/** @throws LanyardError `usage` */
function linkOf(facts: Facts, name: string): LinkSnapshot {
  const links = host(facts)?.links.filter((one) => one.kind !== 'loopback') ?? []
  const link = links.find((one) => one.name === name)
  if (link !== undefined) return link
  const there = links.map((one) => one.name).join(', ')
  const sentence = `there is no link ${name} on this host: there are ${there}`
  throw new LanyardError('usage', { sentence, help: 'lanyard doctor --help' })
}

async function tryOne(
  kernel: KernelFabric,
  facts: Facts,
  link: LinkSnapshot,
): Promise<ActiveFacts> {
  const { name } = link
  const own = subnetsOf(facts, name).map(({ address }) => address as Ip4)
  const children = childrenOf(facts, link)
  const theirs = children.flatMap(({ netns, link: child }) => {
    const addresses = facts.snapshot.netns.find((one) => one.name === netns)?.addresses ?? []
    return addresses
      .filter((one) => one.link === child.name && typeof one.address.address === 'number')
      .map((one) => one.address.address as Ip4)
  })
  return await tryParent({
    fabric: kernel,
    parent: name,
    mac: link.address,
    ask: askedOn(facts, name),
    own: [...own, ...theirs],
    ownMacs: facts.snapshot.netns.flatMap((one) => one.links.map((l) => l.address)),
    id: `${process.pid}`,
    newMac: () => 0x020000000000 + randomBytes(5).readUIntBE(0, 5),
    newTransaction: () => randomBytes(4).readUInt32BE(0),
  })
}

/** The gateway, or a neighbour that was there. */
function askedOn(facts: Facts, link: string): Ip4 | undefined {
  const gateway = gatewayOf(facts, link)
  if (typeof gateway === 'number') return gateway
  const met = host(facts)?.neighbours.find(
    (one) => one.link === link && typeof one.ip === 'number' && one.mac !== undefined,
  )
  return met?.ip as Ip4 | undefined
}

/** What a doctor that was killed left. */
async function sweepLeftovers(kernel: KernelFabric, facts: Facts): Promise<void> {
  const left = facts.snapshot.netns
    .map(({ name }) => name)
    .filter((name) => name.startsWith(DOCTOR_NETNS))
    .filter((name) => !existsSync(`/proc/${name.slice(DOCTOR_NETNS.length)}`))
  const plan = left.map((netns) => ({ do: 'netns.del', netns }) as const)
  if (plan.length > 0) await kernel.apply(plan, { keepGoing: true })
}
