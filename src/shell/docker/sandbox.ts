/**
 * A container's namespace as dockerd builds it: links made beside their parent under a name of
 * chance, moved in, renamed, addressed, brought up (libnetwork osl/interface_linux.go). Every step
 * is an op of the fabric; what the kernel refuses is told in Docker's words.
 */
import { formatIp, type Ip, parseIp, tryParseIp } from '../../addr/ip.ts'
import { formatMac, type Mac, tryParseMac } from '../../addr/mac.ts'
import { broadcastOf, contains } from '../../addr/prefix.ts'
import type { IpvlanMode, MacvlanMode, Op } from '../../fabric/plan.ts'
import { strerror } from '../../errno.ts'
import { applyOne, takeView } from '../request.ts'
import { familyOfPool, prefixOf, takeAddress } from './pools.ts'
import {
  type Daemon,
  type DockerContainer,
  type DockerNetwork,
  type DockerPlace,
  idOf,
  netnsOf,
  refuse,
} from './state.ts'

/** Makes the namespace of a container, and its links; on failure nothing is left. */
export async function startSandbox(
  daemon: Daemon,
  container: DockerContainer,
): Promise<DockerContainer> {
  const netns = netnsOf(container)
  await must(daemon, { do: 'netns.add', netns })
  await must(daemon, { do: 'link.set', netns, name: 'lo', up: true })
  // Docker turns IPv6 off where no network of the container has it.
  const six = container.places.some((p) => daemon.findNetwork(p.network)?.ipv6 === true)
  if (!six) {
    for (const scope of ['all', 'default']) {
      const key = `net.ipv6.conf.${scope}.disable_ipv6`
      await must(daemon, { do: 'sysctl.set', netns, key, value: '1' })
    }
  }
  let running: DockerContainer = { ...container, nextLink: 0 }
  try {
    for (const place of container.places) running = await joinNetwork(daemon, running, place)
  } catch (error) {
    await stopSandbox(daemon, container)
    throw error
  }
  return running
}

/** Takes the namespace away, and with it its links; the addresses are free at once. */
export async function stopSandbox(
  daemon: Daemon,
  container: DockerContainer,
): Promise<DockerContainer> {
  await applyOne(daemon.session, { do: 'netns.del', netns: netnsOf(container) })
  const places = container.places.map(withoutNow)
  return { ...container, places, nextLink: 0 }
}

function withoutNow(place: DockerPlace): DockerPlace {
  const copy: { -readonly [K in keyof DockerPlace]: DockerPlace[K] } = { ...place }
  delete copy.now
  return copy
}

/** Puts a running container on a network. @returns it with that place */
export async function joinNetwork(
  daemon: Daemon,
  container: DockerContainer,
  place: DockerPlace,
): Promise<DockerContainer> {
  const network = daemon.findNetwork(place.network)
  if (network === undefined) return refuse(`network ${place.network} not found`)
  const four = takeAddress(daemon, network, 4, place.wantedIp)
  const six = network.ipv6 ? takeAddress(daemon, network, 6, place.wantedIp6) : undefined
  const endpoint = daemon.newId()
  const mac = macOf(daemon, network, place, four?.ip, endpoint)
  const link = linkName(daemon, container)
  const made = `veth${endpoint.slice(0, 7)}`
  await makeLink(daemon, network, made)
  const netns = netnsOf(container)
  const add = (at: NonNullable<typeof four>): Op => ({
    do: 'address.add',
    netns,
    link,
    address: { address: at.ip, length: at.length },
    ...(typeof at.ip === 'number'
      ? { broadcast: broadcastOf({ address: at.ip, length: at.length }) }
      : { nodad: true }),
  })
  const name = made
  const steps: Op[] = [
    { do: 'link.set', netns: '', name, newNetns: netns },
    { do: 'link.set', netns, name, newName: link, ...(mac === undefined ? {} : { address: mac }) },
    ...(four === undefined ? [] : [add(four)]),
    ...(six === undefined ? [] : [add(six)]),
    { do: 'link.set', netns, name: link, up: true },
  ]
  for (const step of steps) {
    const outcome = await applyOne(daemon.session, step)
    if (outcome.ok) continue
    await applyOne(daemon.session, { do: 'link.del', netns: '', name })
    await applyOne(daemon.session, { do: 'link.del', netns, name })
    await applyOne(daemon.session, { do: 'link.del', netns, name: link })
    refuse(`failed to set up container networking: ${text(outcome.errno)}`)
  }
  const now = {
    endpoint,
    link,
    mac: mac === undefined ? '' : formatMac(mac),
    ...(four === undefined ? {} : { ip: formatIp(four.ip) }),
    ...(six === undefined ? {} : { ip6: formatIp(six.ip) }),
  }
  const others = container.places.filter((p) => p.network !== place.network)
  const joined: DockerContainer = {
    ...container,
    nextLink: container.nextLink + 1,
    places: [...others, { ...place, now }],
  }
  // Addresses taken by this place count from here on for the next.
  daemon.put(joined)
  await routeOut(daemon, joined)
  return joined
}

/** Takes a running container off a network. */
export async function leaveNetwork(
  daemon: Daemon,
  container: DockerContainer,
  network: DockerNetwork,
): Promise<DockerContainer> {
  const place = container.places.find((p) => p.network === network.name)
  const link = place?.now?.link
  const places = container.places.filter((p) => p !== place)
  const left: DockerContainer = { ...container, places }
  if (link !== undefined) {
    await applyOne(daemon.session, { do: 'link.del', netns: netnsOf(container), name: link })
    await routeOut(daemon, left)
  }
  return left
}

async function must(daemon: Daemon, op: Op): Promise<void> {
  const outcome = await applyOne(daemon.session, op)
  if (!outcome.ok) refuse(`${op.do} ${op.netns}: ${text(outcome.errno)}`)
}

/** Go prints an errno in small letters. */
const text = (errno: string): string => strerror(errno).toLowerCase()

/** Of 20.10 the next number, of 29 the lowest that is free. */
function linkName(daemon: Daemon, container: DockerContainer): string {
  if (daemon.dialect === '20.10') return `eth${container.nextLink}`
  const taken = container.places.map((p) => p.now?.link)
  for (let n = 0; ; n++) if (!taken.includes(`eth${n}`)) return `eth${n}`
}

function macOf(
  daemon: Daemon,
  network: DockerNetwork,
  place: DockerPlace,
  ip: Ip | undefined,
  endpoint: string,
): Mac | undefined {
  if (network.driver === 'ipvlan') {
    if (place.wantedMac === undefined) return undefined
    return refuse('ipvlan interfaces do not support custom mac address assignment')
  }
  if (place.wantedMac !== undefined) return tryParseMac(place.wantedMac)
  if (daemon.dialect === '20.10' && typeof ip === 'number') return 0x0242_0000_0000 + ip
  const random = Number.parseInt(idOf(`mac ${endpoint}`).slice(0, 12), 16)
  const first = Math.floor(random / 2 ** 40)
  // Locally administered, one host.
  return ((first & 0xfc) | 2) * 2 ** 40 + (random % 2 ** 40)
}

async function makeLink(daemon: Daemon, network: DockerNetwork, name: string): Promise<void> {
  const view = await takeView(daemon.session, '')
  const { parent } = network
  if (view?.netns.links.some((l) => l.name === parent) !== true) {
    refuse(`the requested parent interface ${parent} was not found on the Docker host`)
  }
  const outcome = await applyOne(daemon.session, {
    do: 'link.add',
    netns: '',
    name,
    spec:
      network.driver === 'macvlan'
        ? { kind: 'macvlan', parent, macvlan: { mode: network.mode as MacvlanMode } }
        : { kind: 'ipvlan', parent, mode: network.mode as IpvlanMode, flag: 'bridge' },
    // The netlink library of Docker says 0 where nobody says anything.
    txQueueLength: 0,
  })
  if (outcome.ok) return
  const port = network.driver === 'macvlan' ? 'macvlan' : 'ipvlan'
  refuse(`failed to create the ${port} port: ${text(outcome.errno)}`)
}

/** The default route: of the networks that have a gateway the first by name. */
async function routeOut(daemon: Daemon, container: DockerContainer): Promise<void> {
  const { session } = daemon
  const netns = netnsOf(container)
  const places = container.places.toSorted((a, b) => (a.network < b.network ? -1 : 1))
  for (const family of [4, 6] as const) {
    const to = { address: family === 4 ? 0 : 0n, length: 0 }
    let found: Op | undefined
    for (const place of places) found ??= routeOf(daemon, netns, place, family, to)
    const routes = (await takeView(session, netns))?.netns.routes ?? []
    const has = routes.find((r) => r.to.length === 0 && typeof r.to.address === typeof to.address)
    if (has !== undefined) await applyOne(session, { do: 'route.del', netns, to })
    if (found !== undefined) await applyOne(session, found)
  }
}

function routeOf(
  daemon: Daemon,
  netns: string,
  place: DockerPlace,
  family: 4 | 6,
  to: { readonly address: Ip; readonly length: number },
): Op | undefined {
  const network = daemon.findNetwork(place.network)
  const { now } = place
  if (network === undefined || now === undefined || network.internal) return undefined
  const { link } = now
  const own = family === 4 ? now.ip : now.ip6
  if (own === undefined) return undefined
  if (network.driver === 'ipvlan' && network.mode !== 'l2') {
    return { do: 'route.add', netns, to, link, scope: 'link' }
  }
  const ip = parseIp(own)
  const pool = network.pools.find((p) => familyOfPool(p) === family && contains(prefixOf(p), ip))
  const via = pool?.gateway === undefined ? undefined : tryParseIp(pool.gateway)
  return via === undefined ? undefined : { do: 'route.add', netns, to, via, link }
}
