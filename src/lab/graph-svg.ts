/**
 * A picture of a lab as SVG: switches on the left, hosts on the right in the order of the file, a
 * line for each cable. The same lab gives the same picture, byte by byte.
 *
 * The shape of a lab is known (switches, hosts, what sits on their links), so rows decide where
 * things stand; nothing has to be balanced.
 */
import { type Box, mergedBox, mergedPorts, networkTexts, rowTexts, union } from './boxes.ts'
import { escapeMarkup } from './markup.ts'
import type { Switch, Topology } from './topology.ts'
import { widthOf } from './width.ts'

const CHAR = 7.25
const ROW = 20
const PAD = 12
const GAP = 16
/** Between switches and hosts, where cables cross. */
const GUTTER = 90
const MARGIN = 24
/** How far a cable between two of one column leaves it. */
const BOW = 40

const STYLE = `text{font:12px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;fill:#1f2933}
.box{fill:#fff;stroke:#52606d}.switch{fill:#eef4fb}.name{font-weight:bold}
.cable{fill:none;stroke:#2f6f9f;stroke-width:1.5}.end{fill:#2f6f9f}.note{fill:#52606d}
@media(prefers-color-scheme:dark){
text{fill:#e4e7eb}.box{fill:#1f2933;stroke:#9aa5b1}.switch{fill:
#243b53}.cable{stroke:#7cc4fa}.end{fill:#7cc4fa}.note{fill:#9aa5b1}}`

interface Placed {
  readonly name: string
  readonly box: Box
  readonly texts: readonly string[]
  readonly y: number
}

interface PlacedSwitch {
  readonly name: string
  readonly y: number
  readonly height: number
  /** Ports by name: where they stand. */
  readonly ports: ReadonlyMap<string, number>
  readonly labels: ReadonlyMap<string, string>
}

interface Layout {
  readonly switches: readonly PlacedSwitch[]
  readonly hosts: readonly Placed[]
  readonly height: number
}

/** Where a cable ends, and on which column's side. */
interface Plug {
  readonly column: 'switch' | 'host'
  readonly y: number
}

/**
 * @param topologies the combinations of one lab: what differs between them is shown as `a|b`
 * @returns a whole SVG document
 * @example
 * ```ts
 * writeFileSync('lab.svg', drawSvg(readLab(new LabSource('lab.yaml', text))))
 * ```
 */
export function drawSvg(topologies: readonly Topology[]): string {
  const layout = layOut(topologies)
  const left = MARGIN + (layout.switches.length > 1 ? BOW : 0)
  const switchWidth = Math.max(0, ...layout.switches.map(widthOfSwitch))
  const hostLeft = left + (layout.switches.length === 0 ? 0 : switchWidth + GUTTER)
  const hostWidth = Math.max(0, ...layout.hosts.map(widthOfHost))
  const networks = networkTexts(topologies).map((n) => `${n.name}: ${n.text}`)
  const [first] = topologies
  const title = [first?.lab, first?.title].filter((t) => t !== undefined).join(': ')
  const texts = [title, ...networks].map((t) => MARGIN * 2 + widthOf(t) * CHAR)
  const width = Math.ceil(Math.max(hostLeft + hostWidth + MARGIN + BOW, ...texts))
  const height = layout.height + networks.length * ROW + MARGIN
  const sides = { left, switchRight: left + switchWidth, hostLeft, hostRight: hostLeft + hostWidth }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    `<title>${escapeMarkup(title)}</title>`,
    `<style>${STYLE}</style>`,
    textAt(MARGIN, MARGIN, title, 'name'),
    ...cables(topologies, layout, sides),
    ...layout.switches.map((s) => switchMarkup(s, left, switchWidth)),
    ...layout.hosts.map((h) => hostMarkup(h, hostLeft, hostWidth)),
    ...networks.map((t, i) => textAt(MARGIN, layout.height + i * ROW + ROW / 2, t, 'note')),
    '</svg>\n',
  ].join('\n')
}

function layOut(topologies: readonly Topology[]): Layout {
  const hosts = union(topologies.map((t) => t.hosts)).map((host) => {
    const box = mergedBox(topologies, host.name)
    return { name: host.name, box, texts: rowTexts(box.rows, undefined) }
  })
  const placed: Placed[] = []
  const switches: PlacedSwitch[] = []
  let y = MARGIN + ROW
  const place = (host: (typeof hosts)[number]): void => {
    placed.push({ ...host, y })
    y += heightOf(host.texts.length) + GAP
  }
  for (const sw of union(topologies.map((t) => t.switches))) {
    const top = y
    for (const host of hosts) {
      const here = host.box.rows.some((r) => r.end?.node === sw.name)
      if (here && !placed.some((p) => p.name === host.name)) place(host)
    }
    const one = placeSwitch(topologies, sw, placed, top, y - GAP)
    switches.push(one)
    y = Math.max(y, one.y + one.height + GAP)
  }
  for (const host of hosts) if (!placed.some((p) => p.name === host.name)) place(host)
  return { switches, hosts: placed, height: y }
}

/** A port stands beside the link it leads to where that is beside the switch, else below. */
function placeSwitch(
  topologies: readonly Topology[],
  sw: Switch,
  hosts: readonly Placed[],
  top: number,
  bottom: number,
): PlacedSwitch {
  const ports = new Map<string, number>()
  for (const host of hosts.filter((h) => h.y >= top)) {
    for (const [i, { end }] of host.box.rows.entries()) {
      if (end?.node === sw.name) ports.set(end.link, rowY(host.y, i))
    }
  }
  let next = Math.max(bottom - ROW / 2, top + ROW, ...[...ports.values()].map((at) => at + ROW))
  if (ports.size === 0) next = top + ROW * 2
  for (const { name } of sw.ports) {
    if (ports.has(name)) continue
    ports.set(name, next)
    next += ROW
  }
  const end = Math.max(bottom, ...[...ports.values()].map((at) => at + ROW / 2 + PAD / 2))
  return {
    ...{ name: sw.name, y: top, height: Math.max(end - top, heightOf(1)), ports },
    labels: mergedPorts(topologies, sw),
  }
}

const heightOf = (rows: number): number => ROW + rows * ROW + PAD
const rowY = (top: number, row: number): number => top + ROW + row * ROW + ROW / 2 + PAD / 4

function widthOfSwitch(s: PlacedSwitch): number {
  const texts = [s.name, ...s.labels.values()]
  return Math.max(...texts.map(widthOf)) * CHAR + PAD * 2
}

function widthOfHost(host: Placed): number {
  return Math.max(...[host.box.title, ...host.texts].map(widthOf)) * CHAR + PAD * 2
}

interface Sides {
  readonly left: number
  readonly switchRight: number
  readonly hostLeft: number
  readonly hostRight: number
}

function cables(topologies: readonly Topology[], layout: Layout, sides: Sides): string[] {
  const plugs = new Map<string, Plug>()
  for (const sw of layout.switches) {
    for (const [port, y] of sw.ports) plugs.set(`${sw.name}\n${port}`, { column: 'switch', y })
  }
  const ends = new Map<string, string>()
  for (const host of layout.hosts) {
    for (const [i, row] of host.box.rows.entries()) {
      if (row.end === undefined) continue
      const own = `${host.name}\n${row.key}`
      plugs.set(own, { column: 'host', y: rowY(host.y, i) })
      ends.set(own, `${row.end.node}\n${row.end.link}`)
    }
  }
  for (const { name, ports } of topologies.flatMap((t) => t.switches)) {
    for (const port of ports) {
      if (port.peer === undefined) continue
      ends.set(`${name}\n${port.name}`, `${port.peer.node}\n${port.peer.link}`)
    }
  }
  const drawn = new Set<string>()
  return [...ends].flatMap(([a, b]) => {
    const [from, to] = [plugs.get(a), plugs.get(b)]
    const key = [a, b].toSorted().join('\n\n')
    if (from === undefined || to === undefined || drawn.has(key)) return []
    drawn.add(key)
    return [cable(from, to, sides)]
  })
}

function cable(a: Plug, b: Plug, sides: Sides): string {
  const { left, switchRight, hostLeft, hostRight } = sides
  const outside = a.column === 'switch' ? left : hostRight
  const bow = a.column === 'switch' ? left - BOW : hostRight + BOW
  const same = a.column === b.column
  const at = (plug: Plug): number => {
    if (same) return outside
    return plug.column === 'switch' ? switchRight : hostLeft
  }
  const [ax, bx] = [at(a), at(b)]
  const [c1, c2] = same ? [bow, bow] : [(ax + bx) / 2, (ax + bx) / 2]
  const path =
    a.y === b.y && !same
      ? `M${ax} ${a.y}H${bx}`
      : `M${ax} ${a.y}C${c1} ${a.y} ${c2} ${b.y} ${bx} ${b.y}`
  const dot = (x: number, y: number) => `<circle class="end" cx="${x}" cy="${y}" r="3"/>`
  return `<path class="cable" d="${path}"/>${dot(ax, a.y)}${dot(bx, b.y)}`
}

function switchMarkup(sw: PlacedSwitch, x: number, width: number): string {
  const lines = [...sw.ports].map(([port, y]) => {
    const label = sw.labels.get(port) ?? port
    return textAt(x + width - PAD - widthOf(label) * CHAR, y, label)
  })
  const name = textAt(x + PAD, sw.y + ROW / 2 + 2, sw.name, 'name')
  return [`<g>${rect(x, sw.y, width, sw.height, 'box switch')}${name}`, ...lines, '</g>'].join('\n')
}

function hostMarkup(host: Placed, x: number, width: number): string {
  const lines = host.texts.map((text, i) => textAt(x + PAD, rowY(host.y, i), text))
  const height = heightOf(host.texts.length)
  const name = textAt(x + PAD, host.y + ROW / 2 + 2, host.box.title, 'name')
  return [`<g>${rect(x, host.y, width, height, 'box')}${name}`, ...lines, '</g>'].join('\n')
}

function rect(x: number, y: number, width: number, height: number, kind: string): string {
  return `<rect class="${kind}" x="${x}" y="${y}" width="${width}" height="${height}" rx="4"/>`
}

/** Monospaced, whatever the reader's font is: columns stay columns. */
function textAt(x: number, y: number, text: string, kind?: string): string {
  if (text === '') return ''
  const cls = kind === undefined ? '' : ` class="${kind}"`
  const length = Math.round(widthOf(text) * CHAR * 100) / 100
  return `<text${cls} x="${x}" y="${y}" dy=".35em" xml:space="preserve" textLength="${length}">${escapeMarkup(text)}</text>`
}
