/** Machines as they were read off a snapshot, as the switches, hosts and containers of a lab. */
import { formatMac } from '../../addr/mac.ts'
import type { LinkSnapshot, NetnsSnapshot } from '../../fabric/snapshot.ts'
import { macFor } from '../identity.ts'
import type { Path } from '../source.ts'
import { type Draft, formatPlace } from './draft.ts'
import { Names } from './foreign.ts'
import {
  addressesOf,
  childrenOf,
  DUMMY,
  type MachineView,
  routesOf,
  settingsOf,
  viewMachine,
} from './machine-view.ts'
import { impairFile, type PortFile, switchPorts } from './switch-view.ts'
import {
  type Done,
  type ForeignCable,
  type ForeignLab,
  type ForeignNode,
  type Played,
  settingKey,
} from './world.ts'

/** What the parts of a lab are called after the import. */
export interface Written {
  /** Nodes that became switches. */
  readonly switches: ReadonlySet<string>
  /** Containers by the namespace they were. */
  readonly containers: ReadonlyMap<string, string>
}

interface Putting {
  readonly draft: Draft
  readonly lab: ForeignLab
  readonly played: Played
  readonly names: Names
  /** The ports of nodes that are switches. */
  readonly ports: ReadonlyMap<string, ReadonlyMap<string, PortFile>>
  /** MACs that somebody chose. */
  readonly macs: ReadonlySet<number>
}

/** Writes the machines into the draft. */
export function putMachines(draft: Draft, lab: ForeignLab, played: Played): Written {
  const names = new Names()
  for (const { name } of lab.nodes) names.take(name)
  const macs = new Set(
    played.done
      .flatMap((line) => line.ops)
      .flatMap((op) => (op.do === 'link.add' || op.do === 'link.set' ? (op.address ?? []) : [])),
  )
  const ports = new Map<string, ReadonlyMap<string, PortFile>>()
  for (const node of lab.nodes) {
    const found = switchPorts(node.name, nicsOf(lab, node.name), played.snapshot)
    if (found !== undefined) ports.set(node.name, found)
    else if (node.kind === 'switch') ports.set(node.name, new Map())
  }
  const putting: Putting = { draft, lab, played, names, macs, ports }
  for (const [name, own] of ports) putSwitch(putting, nodeOf(lab, name), own)
  const views = new Map<string, MachineView>()
  for (const node of lab.nodes) {
    if (ports.has(node.name)) continue
    const nics = nicsOf(lab, node.name)
    const view = viewMachine(node.name, nics, played.snapshot, played.done)
    if (view === undefined) continue
    views.set(node.name, view)
    putHost(putting, node, view, nics)
  }
  const containers = putContainers(putting, views)
  return { switches: new Set(ports.keys()), containers }
}

function nodeOf(lab: ForeignLab, name: string): ForeignNode {
  return lab.nodes.find((n) => n.name === name) as ForeignNode
}

function nicsOf({ cables }: ForeignLab, node: string): string[] {
  return cables
    .flatMap(({ a, b }) => [a, b])
    .filter((end) => end.node === node)
    .map((end) => end.link)
}

/** `lab.conf:3, pc1.startup:1-2`: the node, and its lines that were carried. */
function originText(node: ForeignNode, declared: readonly Done[]): string {
  const places = new Map([[node.file, [node.line]]])
  for (const { file, line } of declared) places.set(file, [...(places.get(file) ?? []), line])
  return [...places]
    .map(([file, lines]) => formatPlace({ file, line: 0 }).replace(/0$/, ranges(lines)))
    .join(', ')
}

/** `3-5,8` */
function ranges(lines: readonly number[]): string {
  const all = [...new Set(lines)].sort((a, b) => a - b)
  const runs: [number, number][] = []
  for (const line of all) {
    const last = runs.at(-1)
    if (last !== undefined && last[1] === line - 1) last[1] = line
    else runs.push([line, line])
  }
  return runs.map(([a, b]) => (a === b ? `${a}` : `${a}-${b}`)).join(',')
}

function putSwitch(
  { draft, lab, played, ports: switches }: Putting,
  node: ForeignNode,
  ports: ReadonlyMap<string, PortFile>,
): void {
  const path: Path = ['switches', node.name]
  const written: Record<string, PortFile> = {}
  for (const [name, port] of ports) {
    // A cable between two switches is written once, at its first end.
    const cable = lab.cables.find(({ a }) => a.node === node.name && a.link === name)
    const far = cable !== undefined && switches.has(cable.b.node) ? cable.b : undefined
    const to = far === undefined ? {} : { to: `${far.node}:${far.link}` }
    written[name] = typeof port === 'string' ? port : { ...port, ...to }
  }
  draft.put([...path, 'ports'], written, { from: node, flow: true })
  const declared = played.done.filter((line) => line.node === node.name)
  draft.say(path, originText(node, declared))
}

function putHost(
  putting: Putting,
  node: ForeignNode,
  view: MachineView,
  nics: readonly string[],
): void {
  const { draft, lab } = putting
  const path: Path = ['hosts', node.name]
  draft.put(path, {}, { from: node, comment: originText(node, view.declared) })
  for (const name of nics) {
    const cable = lab.cables.find(({ a, b }) =>
      [a, b].some((end) => end.node === node.name && end.link === name),
    ) as ForeignCable
    const nic = nicFile(putting, node.name, name, view, cable)
    draft.put([...path, 'nics', name], nic, { from: cable, flow: true })
  }
  for (const link of view.vlans) draft.push([...path, 'vlans'], vlanFile(putting, node.name, link))
  for (const { name } of view.vlans) {
    const addresses = addressesOf(view.netns, name, view.kept)
    if (addresses.length > 0)
      draft.put([...path, 'addr', name], oneOrMore(addresses), { from: node, flow: true })
  }
  const links = new Set([...nics, ...view.vlans.map((v) => v.name)])
  putNode(
    putting,
    path,
    view.netns,
    links,
    view.kept,
    settingsOf(node.name, startOf(putting, node), view.declared),
  )
  for (const { text, file, line } of view.kept) {
    draft.push([...path, 'run'], text)
    if (view.kept[0]?.line === line)
      draft.say([...path, 'run'], `${formatPlace({ file, line })}: as it stands there`)
  }
}

function nicFile(
  { lab, macs, ports }: Putting,
  node: string,
  name: string,
  view: MachineView,
  { a, b, macs: given }: ForeignCable,
): string | Record<string, unknown> {
  const first = a.node === node && a.link === name
  const far = first ? b : a
  // Between two hosts the cable is written at its first end.
  const writes = first || ports.has(far.node)
  const link = view.netns.links.find((l) => l.name === name)
  const mac =
    given[first ? 0 : 1] ??
    (link !== undefined && macs.has(link.address) ? link.address : undefined)
  const addresses = addressesOf(view.netns, name, view.kept)
  const more = {
    ...(addresses.length === 0 ? {} : { addr: oneOrMore(addresses) }),
    ...(mac === undefined || mac === macFor(lab.name, node, name) ? {} : { mac: formatMac(mac) }),
    ...(link === undefined || link.mtu === 1500 ? {} : { mtu: link.mtu }),
    ...(link?.promisc === true ? { promisc: true } : {}),
    ...(link === undefined || link.up ? {} : { up: false }),
    ...(link === undefined ? {} : impairFile(link)),
  }
  const to = `${far.node}:${far.link}`
  if (writes) return Object.keys(more).length === 0 ? to : { to, ...more }
  return more
}

/** The settings a node starts with, as far as they could be made. */
function startOf({ played }: Putting, { name, sysctls }: ForeignNode): ForeignNode['sysctls'] {
  return sysctls.filter(([key]) => !played.refused.has(settingKey(name, key)))
}

function oneOrMore(all: readonly string[]): string | readonly string[] {
  return all.length === 1 ? (all[0] as string) : all
}

function vlanFile({ lab, macs }: Putting, node: string, link: LinkSnapshot): string | object {
  const parent = link.parent?.name ?? ''
  const { id = 0, protocol = '802.1Q' } = link.vlan ?? {}
  const more = {
    ...(link.name === `${parent}.${id}` ? {} : { name: link.name }),
    ...(protocol === '802.1Q' ? {} : { protocol }),
    ...(macs.has(link.address) && link.address !== macFor(lab.name, node, parent)
      ? { mac: formatMac(link.address) }
      : {}),
    ...(link.up ? {} : { up: false }),
  }
  return Object.keys(more).length === 0 ? link.name : { parent, id, ...more }
}

/** What hosts and containers share: settings, routes, loopback. */
function putNode(
  { draft, played }: Putting,
  path: Path,
  netns: NetnsSnapshot,
  links: ReadonlySet<string>,
  kept: readonly Done[],
  settings: Map<string, string>,
): void {
  const both = ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding']
  const isHost = path[0] === 'hosts'
  if (isHost && both.every((key) => settings.get(key) === '1')) {
    draft.put([...path, 'forward'], true)
    for (const key of both) settings.delete(key)
  }
  // What every new namespace has need not be said.
  const said = [...settings].filter(([key, value]) => played.fresh[key] !== value)
  const written = said.map(([key, value]) => [key, /^\d{1,9}$/.test(value) ? Number(value) : value])
  if (written.length > 0) {
    const flow = written.length === 1
    draft.put([...path, 'sysctl'], Object.fromEntries(written), { flow })
  }
  const routes = routesOf(netns, links, kept)
  if (routes.length > 0) draft.put([...path, 'routes'], oneOrMore(routes))
  if (netns.links.some((l) => l.kind === 'loopback' && !l.up)) draft.put([...path, 'lo'], false)
}

/** The networks of the containers, then the containers; gives their names by namespace. */
function putContainers(
  putting: Putting,
  views: ReadonlyMap<string, MachineView>,
): Map<string, string> {
  const { draft, lab, names, macs } = putting
  const written = new Map<string, string>()
  const later: (() => void)[] = []
  for (const [host, view] of views) {
    const from = nodeOf(lab, host)
    const networks = new Map<string, string>()
    for (const [own, netns] of view.containers) {
      const name = names.take(own)
      written.set(netns.name, name)
      const net = childrenOf(netns).map((link) => {
        const network = networkFor(putting, networks, host, link)
        const addresses = addressesOf(netns, link.name, view.kept)
        const mac =
          macs.has(link.address) && link.ipvlan === undefined && link.macvlan?.mode !== 'passthru'
        return {
          network,
          nic: link.name,
          ...(addresses.length === 0 ? {} : { addr: oneOrMore(addresses) }),
          ...(mac && link.address !== macFor(lab.name, name, link.name)
            ? { mac: formatMac(link.address) }
            : {}),
        }
      })
      later.push(() => {
        const path: Path = ['containers', name]
        draft.put(
          path,
          { host },
          { from, comment: `${formatPlace(from)}: namespace ${own} of ${host}` },
        )
        draft.put([...path, 'net'], net.length === 1 ? net[0] : net, { from, flow: true })
        if (childrenOf(netns).some((l) => l.promisc)) draft.put([...path, 'promisc'], true)
        const links = new Set(childrenOf(netns).map((l) => l.name))
        putNode(putting, path, netns, links, view.kept, settingsOf(netns.name, [], view.declared))
      })
    }
  }
  for (const put of later) put()
  return written
}

/** A network for each parent of a host and way of sitting on it. */
function networkFor(
  { draft, lab, names }: Putting,
  networks: Map<string, string>,
  host: string,
  { parent, macvlan, ipvlan }: LinkSnapshot,
): string {
  const on = parent?.name ?? ''
  const words =
    ipvlan === undefined
      ? { driver: 'macvlan', mode: macvlan?.mode }
      : {
          driver: 'ipvlan',
          mode: ipvlan.mode,
          ...(ipvlan.flag === 'bridge' ? {} : { flag: ipvlan.flag }),
        }
  const key = `${on} ${Object.values(words).join(' ')}`
  const known = networks.get(key)
  if (known !== undefined) return known
  const dummy = DUMMY.exec(on)?.[1]
  const name = names.take(dummy ?? `${host}-${on}`)
  networks.set(key, name)
  const { driver, ...how } = words
  const from = nodeOf(lab, host)
  const where = dummy === undefined ? { parent: on } : {}
  draft.put(['networks', name], { driver, ...where, ...how, hosts: host }, { from, flow: true })
  return name
}
