/** Where things of a topology are: what the rules of lint-rules.ts ask. */
import type { Ip } from '../addr/ip.ts'
import { segmentsOf } from './segments.ts'
import type { Path } from './source.ts'
import type { Container, Host, Network, Nic, Port, Switch, Topology } from './topology.ts'

export function portsOf(
  switches: readonly Switch[],
): { readonly sw: Switch; readonly port: Port }[] {
  return switches.flatMap((sw) => sw.ports.map((port) => ({ sw, port })))
}

export function portPath(sw: Switch, port: Port): Path {
  return ['switches', sw.name, 'ports', port.name]
}

/** Containers of a network on a host. */
export function membersOn({ containers }: Topology, network: Network, host: Host): string[] {
  return containers
    .filter((c) => c.host === host.name && c.children.some((l) => l.network === network.name))
    .map((c) => c.name)
}

/** The switch port that a link of a host ends at, its own or that of the nic below it. */
export function portOf({ switches }: Topology, host: Host, link: string) {
  let below = link
  for (let u = host.uppers.find((x) => x.name === below); u?.parent !== undefined; ) {
    below = u.parent
    u = host.uppers.find((x) => x.name === below)
  }
  const nic = host.nics.find((n) => n.name === below)
  return portsOf(switches).find(
    ({ sw, port }) => sw.name === nic?.peer?.node && port.name === nic.peer.link,
  )
}

export function farEnd({ switches, hosts }: Topology, { peer }: Nic): Port | Nic | undefined {
  const port = switches.find((s) => s.name === peer?.node)?.ports.find((p) => p.name === peer?.link)
  return port ?? hosts.find((h) => h.name === peer?.node)?.nics.find((n) => n.name === peer?.link)
}

export function addressesOf(host: Host, link: string) {
  const found = [...host.nics, ...host.uppers].find((l) => l.name === link)
  return found?.addresses ?? []
}

/** Nodes that have an address on one of their links. */
export function holdersOf({ hosts, containers }: Topology, ip: Ip): (Host | Container)[] {
  return [
    ...hosts.filter((h) =>
      [...h.nics, ...h.uppers, ...h.shims].some((l) => l.addresses.some((a) => a.address === ip)),
    ),
    ...containers.filter((c) => c.children.some((l) => l.addresses.some((a) => a.address === ip))),
  ]
}

/** Links of a host that have addresses. */
export function legsOf({ nics, uppers }: Host): number {
  return [...nics, ...uppers].filter((l) => l.addresses.length > 0).length
}

export function forwards(host: Host, ip: Ip): boolean {
  const key = typeof ip === 'number' ? 'net.ipv4.ip_forward' : 'net.ipv6.conf.all.forwarding'
  const said = host.sysctls.findLast(([k]) => k === key)?.[1]
  // A command of the file may turn it on, too.
  return said === '1' || host.run.some((r) => /ip_forward|forwarding/.test(r.text))
}

/** Hosts with an address on the segment of a host's link. */
export function neighboursOf({ switches, hosts }: Topology, host: Host, link: string): Host[] {
  const segmentOf = segmentsOf(switches, hosts)
  const own = segmentOf(host.name, link)
  return hosts.filter(
    (h) =>
      h !== host &&
      [...h.nics, ...h.uppers].some(
        (l) => l.addresses.length > 0 && segmentOf(h.name, l.name) === own,
      ),
  )
}
