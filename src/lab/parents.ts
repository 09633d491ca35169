/** What one parent can carry (macvlan_port_create, ipvlan_port_create, macvlan_newlink). */
import type { Resolving } from './resolving.ts'
import type { Path } from './source.ts'
import type { ChildKind, Container, Network } from './topology.ts'

/** Networks that share a parent must agree about it, whether or not a container is on them yet. */
export function checkNetworks({ source, file }: Resolving, networks: readonly Network[]): void {
  for (const [i, network] of networks.entries()) {
    const before = networks
      .slice(0, i)
      .find((n) => n.parent === network.parent && n.hosts.some((h) => network.hosts.includes(h)))
    if (before === undefined) continue
    const path: Path = ['networks', network.name]
    const holder = `network ${before.name}`
    const [a, b] = [before.kind, network.kind]
    const host = network.hosts.find((h) => before.hosts.includes(h)) ?? ''
    const parent = `parent ${network.parent} of host ${host}`
    if (a.driver !== b.driver) {
      source.problem(
        [...path, 'driver'],
        `${parent} is already used by ${holder} (${a.driver}): a parent carries either macvlan or ipvlan`,
      )
    } else if (a.driver === 'ipvlan' && b.driver === 'ipvlan' && wordsOf(a) !== wordsOf(b)) {
      const typed = file.networks?.[network.name]
      const differs = a.mode === b.mode ? 'flag' : 'mode'
      source.problem(
        typed?.[differs] === undefined ? path : [...path, differs],
        `${parent} is in mode ${wordsOf(a)} for ${holder}: all ipvlan children of a parent share ` +
          `one mode, and a kernel would silently change theirs to ${wordsOf(b)}`,
      )
    }
  }
}

function wordsOf(kind: ChildKind & { readonly driver: 'ipvlan' }): string {
  return kind.flag === 'bridge' ? kind.mode : `${kind.mode} ${kind.flag}`
}

/** Mode passthru takes one child, and nothing beside it. */
export function checkPassthru({ source }: Resolving, containers: readonly Container[]): void {
  const first = new Map<string, { readonly container: string; readonly mode: string }>()
  for (const { name, host, children } of containers) {
    for (const { parent, kind } of children) {
      const key = `${host}:${parent}`
      const before = first.get(key)
      if (before === undefined) first.set(key, { container: name, mode: kind.mode })
      else if (before.mode === 'passthru' || kind.mode === 'passthru') {
        source.problem(
          ['containers', name],
          `parent ${parent} of host ${host} already has the child of ${before.container}: mode passthru takes one child only`,
        )
      }
    }
  }
}
