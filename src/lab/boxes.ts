/**
 * What a picture of a lab shows, whoever draws it: hosts as boxes with a row a link, the macvlan
 * and ipvlan children under the link they sit on, the ports of switches.
 *
 * One picture serves all combinations: what differs between them is shown as `bridge|vepa`, what is
 * there in some of them only as `hairpin?`.
 */
import { formatIp } from '../addr/ip.ts'
import { formatPrefix } from '../addr/prefix.ts'
import type { FilterOp } from '../fabric/filter.ts'
import { formatNetem } from '../fabric/netem.ts'
import { filterWords } from '../fabric/print-iptables.ts'
import { padEnd, widthOf } from './width.ts'
import type { Child, ChildKind, Container, Host, Nic, Port, Switch, Topology } from './topology.ts'

/** A cable, as letters. */
export const CABLE = '────'

/** A line inside a box. */
export interface Row {
  readonly key: string
  /** 0: a link of the host; 1 and 2: what sits on it. */
  readonly depth: number
  readonly cells: readonly string[]
  /** Where its cable leads. */
  readonly end: { readonly node: string; readonly link: string } | undefined
}

export interface Box {
  readonly title: string
  readonly rows: readonly Row[]
}

/** Things by name, in the order of their first appearance. */
export function union<T extends { readonly name: string }>(lists: readonly (readonly T[])[]): T[] {
  const all = new Map<string, T>()
  for (const thing of lists.flat()) if (!all.has(thing.name)) all.set(thing.name, thing)
  return [...all.values()]
}

/** `bridge|vepa`, `hairpin?`: what a value is in the several combinations. */
function variants(values: readonly string[]): string {
  const distinct = [...new Set(values)]
  const [a, b] = distinct.filter((v) => v !== '')
  if (a === undefined) return ''
  if (b === undefined) return distinct.length === 1 ? a : `${a}?`
  return distinct.map((v) => (v === '' ? '-' : v)).join('|')
}

export function mergedBox(topologies: readonly Topology[], name: string): Box {
  const boxes = topologies.flatMap((t) => {
    const host = t.hosts.find((h) => h.name === name)
    return host === undefined ? [] : [hostBox(t, host)]
  })
  const rows = new Map<string, Row[]>()
  for (const row of boxes.flatMap((b) => b.rows)) {
    rows.set(row.key, [...(rows.get(row.key) ?? []), row])
  }
  const merged = [...rows.values()].map((same): Row => {
    const [row] = same as [Row]
    const cells = row.cells.map((_, i) => variants(same.map((r) => r.cells[i] ?? '')))
    const some = same.length < topologies.length ? '?' : ''
    return { ...row, cells: cells.map((c, i) => (i === 0 ? c + some : c)) }
  })
  const some = boxes.length < topologies.length ? '?' : ''
  return { title: variants(boxes.map((b) => b.title)) + some, rows: inTreeOrder(merged) }
}

/** Rows that some combinations lack may have come late: back under the link they sit on. */
function inTreeOrder(rows: readonly Row[]): Row[] {
  const parentOf = (row: Row) => row.key.split('\n').slice(0, -1).join('\n')
  const under = (key: string): Row[] =>
    rows.filter((r) => parentOf(r) === key).flatMap((r) => [r, ...under(r.key)])
  return under('')
}

function hostBox(topology: Topology, host: Host): Box {
  const router = host.sysctls.some(([key, value]) => key === 'net.ipv4.ip_forward' && value === '1')
  const rows: Row[] = host.nics.flatMap((nic) => [
    nicRow(nic),
    ...childRows(topology, host, nic.name, nic.name, 1),
    ...upperRows(topology, host, nic.name, nic.name, 1),
  ])
  for (const dummy of host.uppers.filter((u) => u.parent === undefined)) {
    rows.push({ key: dummy.name, depth: 0, cells: [dummy.name, 'dummy', ''], end: undefined })
    rows.push(...childRows(topology, host, dummy.name, dummy.name, 1))
  }
  for (const [key, value] of host.sysctls) {
    if (/^net\.ipv4\.ip_forward$|^net\.ipv6\.conf\.all\.forwarding$/.test(key)) continue
    rows.push({ key: `sysctl ${key}`, depth: -1, cells: [`${key} = ${value}`], end: undefined })
  }
  for (const op of shownRules(host)) {
    const words = filterWords(op).join(' ')
    rows.push({ key: `filter ${words}`, depth: -1, cells: [words], end: undefined })
  }
  return { title: router ? `${host.name} (router)` : host.name, rows }
}

/** What holds for both families is shown once, as it is for IPv4. */
function shownRules({ firewall }: Host): FilterOp[] {
  const isOf6 = (op: FilterOp): boolean =>
    op.do === 'filter.add' &&
    [op.rule.match.from, op.rule.match.to].some((p) => typeof p?.address === 'bigint')
  return firewall.filter((op) => op.family === 4 || isOf6(op))
}

function upperRows(
  topology: Topology,
  host: Host,
  parent: string,
  parentKey: string,
  depth: number,
): Row[] {
  return host.uppers
    .filter((u) => u.parent === parent)
    .flatMap((u): Row[] => {
      const key = `${parentKey}\n${u.name}`
      const tag = u.protocol === '802.1Q' ? `vlan ${u.id}` : `vlan ${u.id} ${u.protocol}`
      const flags = [u.mtu === undefined ? '' : `mtu ${u.mtu}`, u.up ? '' : 'down']
      const more = flags.filter((f) => f !== '').join(' ')
      const cells = [u.name, tag, u.addresses.map(formatPrefix).join(' '), '', '', more]
      return [
        { key, depth, cells, end: undefined },
        ...childRows(topology, host, u.name, key, depth + 1),
        ...upperRows(topology, host, u.name, key, depth + 1),
      ]
    })
}

function nicRow(nic: Nic): Row {
  const flags = [
    nic.promisc ? 'promisc' : '',
    nic.mtu === undefined ? '' : `mtu ${nic.mtu}`,
    nic.up ? '' : 'down',
    nic.impair === undefined ? '' : formatNetem(nic.impair),
    nic.peer === undefined ? 'no cable' : '',
  ].filter((f) => f !== '')
  const cells = [nic.name, nic.addresses.map(formatPrefix).join(' '), flags.join(' ')]
  return { key: nic.name, depth: 0, cells, end: nic.peer }
}

function childRows(
  topology: Topology,
  host: Host,
  parent: string,
  key: string,
  depth: number,
): Row[] {
  const here = topology.containers.filter((c) => c.host === host.name)
  const shims = host.shims
    .filter((shim) => shim.parent === parent)
    .map((shim): Row => {
      const address = shim.addresses.map(formatPrefix).join(' ')
      const cells = [shim.name, '', shim.kind.driver, modeOf(shim.kind), address, 'host access']
      return { key: `${key}\n${shim.name}`, depth, cells, end: undefined }
    })
  const children = here.flatMap((container) =>
    container.children
      .filter((child) => child.parent === parent)
      .map(
        (child): Row => ({
          key: `${key}\n${container.name} ${child.name}`,
          depth,
          cells: childCells(container, child),
          end: undefined,
        }),
      ),
  )
  return [...children, ...shims]
}

function childCells(container: Container, { name, kind, addresses, promisc }: Child): string[] {
  const address = addresses.map(formatPrefix).join(' ')
  return [container.name, name, kind.driver, modeOf(kind), address, promisc ? 'promisc' : '']
}

function modeOf(kind: ChildKind): string {
  return kind.driver === 'macvlan' || kind.flag === 'bridge'
    ? kind.mode
    : `${kind.mode} ${kind.flag}`
}

export function mergedPorts(topologies: readonly Topology[], sw: Switch): Map<string, string> {
  const labels = new Map<string, string>()
  for (const { name } of sw.ports) {
    const seen = topologies.flatMap((t) => {
      const port = t.switches.find((s) => s.name === sw.name)?.ports.find((p) => p.name === name)
      return port === undefined ? [] : [portFlags(port, sw.vlanFiltering)]
    })
    labels.set(name, `${variants(seen)} ${name}`.trim())
  }
  return labels
}

function portFlags(port: Port, filtering: boolean): string {
  const vlans =
    port.tagged.length > 0
      ? `trunk ${port.tagged.join(' ')}${port.pvid === undefined ? '' : ` native ${port.pvid}`}`
      : `access ${port.pvid}`
  return [
    filtering ? vlans : '',
    port.hairpin ? 'hairpin' : '',
    port.isolated ? 'isolated' : '',
    port.learning ? '' : 'no learning',
    port.flood ? '' : 'no flood',
    port.up ? '' : 'down',
    port.impair === undefined ? '' : formatNetem(port.impair),
  ]
    .filter((f) => f !== '')
    .join(', ')
}

/** What a picture says of the networks below it. */
export function networkTexts(topologies: readonly Topology[]): { name: string; text: string }[] {
  const names = union(topologies.map((t) => t.networks))
  return names.map(({ name, parent, internal }) => {
    const same = topologies.flatMap((t) => t.networks.filter((n) => n.name === name))
    const kind = variants(same.map((n) => `${n.kind.driver} ${n.kind.mode}`))
    const subnets = variants(
      same.map((n) =>
        n.subnets
          .map((s) => {
            const gateway = s.gateway === undefined ? '' : `, gateway ${formatIp(s.gateway)}`
            return `${formatPrefix(s.prefix)}${gateway}`
          })
          .join('; '),
      ),
    )
    const short = /^(?:macvlan \w+\|?)+$/.test(kind)
      ? kind.replace(/\|macvlan /g, '|')
      : kind.replace(/\|ipvlan /g, '|')
    const parts = [short, `on ${parent}`, subnets, internal ? 'internal' : '']
    return { name, text: parts.filter((p) => p !== '').join(', ') }
  })
}

/**
 * Rows as text, in columns, with the lines of the tree.
 *
 * @param joined the switch whose cables are drawn: where others lead is written; undefined: all are
 */
export function rowTexts(rows: readonly Row[], joined: string | undefined): string[] {
  const depths = [...new Set(rows.map((r) => r.depth))]
  const columns = new Map(
    depths.map((depth) => {
      const same = rows.filter((r) => r.depth === depth)
      const count = Math.max(...same.map((r) => r.cells.length))
      const widths = Array.from({ length: count }, (_, i) =>
        Math.max(...same.map((r) => widthOf(r.cells[i] ?? ''))),
      )
      return [depth, widths]
    }),
  )
  return rows.map((row, i) => {
    const widths = columns.get(row.depth) ?? []
    const text = row.cells
      .flatMap((cell, c) => (widths[c] === 0 ? [] : [padEnd(cell, widths[c] ?? 0)]))
      .join('  ')
      .trimEnd()
    const away = joined !== undefined && row.end !== undefined && row.end.node !== joined
    const tail = away ? `  ${CABLE} ${row.end?.node}:${row.end?.link}` : ''
    if (row.depth <= 0) return text + tail
    const later = rows.slice(i + 1)
    /** Whether another row of a depth follows before the tree closes above it. */
    const goesOn = (depth: number): boolean => {
      const stop = later.findIndex((r) => r.depth < depth)
      return (stop < 0 ? later : later.slice(0, stop)).some((r) => r.depth === depth)
    }
    const above = Array.from({ length: row.depth - 1 }, (_, d) => (goesOn(d + 1) ? '│  ' : '   '))
    const guide = above.join('')
    return `${guide}${goesOn(row.depth) ? '├─' : '└─'} ${text}`
  })
}
