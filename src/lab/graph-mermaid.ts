/** A picture of a lab as a Mermaid flowchart, for Markdown that draws them. */
import { mergedBox, mergedPorts, networkTexts, union } from './boxes.ts'
import type { Topology } from './topology.ts'

/**
 * @param topologies the combinations of one lab: what differs between them is shown as `a|b`
 * @example
 * ```ts
 * drawMermaid(readLab(new LabSource('lab.yaml', text))) // flowchart LR ...
 * ```
 */
export function drawMermaid(topologies: readonly Topology[]): string {
  const ids = new Map<string, string>()
  /** Mermaid's identifiers are letters and digits; names are not. */
  const id = (key: string): string => {
    const known = ids.get(key) ?? `n${ids.size + 1}`
    ids.set(key, known)
    return known
  }
  const lines = ['flowchart LR']
  const ends: (readonly [string, string])[] = []
  const labels = new Map<string, string>()
  for (const sw of union(topologies.map((t) => t.switches))) {
    lines.push(`  ${id(sw.name)}[[${quoted(sw.name)}]]`)
    for (const [port, label] of mergedPorts(topologies, sw))
      labels.set(`${sw.name}\n${port}`, label)
    for (const port of topologies.flatMap(
      (t) => t.switches.find((s) => s.name === sw.name)?.ports,
    )) {
      if (port?.peer === undefined) continue
      ends.push([`${sw.name}\n${port.name}`, `${port.peer.node}\n${port.peer.link}`])
    }
  }
  for (const { name } of union(topologies.map((t) => t.hosts))) {
    const box = mergedBox(topologies, name)
    lines.push(`  subgraph ${id(name)}[${quoted(box.title)}]`)
    for (const row of box.rows) {
      const own = `${name}\n${row.key}`
      lines.push(`    ${id(own)}[${quoted(row.cells.filter((c) => c !== '').join(' '))}]`)
      if (row.end !== undefined) ends.push([own, `${row.end.node}\n${row.end.link}`])
      const above = row.key.split('\n').slice(0, -1).join('\n')
      if (above !== '') lines.push(`    ${id(`${name}\n${above}`)} --- ${id(own)}`)
    }
    lines.push('  end')
  }
  lines.push(...edges(ends, labels, ids))
  for (const network of networkTexts(topologies)) {
    lines.push(`  ${id(`network ${network.name}`)}>${quoted(`${network.name}: ${network.text}`)}]`)
  }
  return `${lines.join('\n')}\n`
}

/** A line for each cable, with the ports of switches written at it. */
function edges(
  ends: readonly (readonly [string, string])[],
  labels: ReadonlyMap<string, string>,
  ids: ReadonlyMap<string, string>,
): string[] {
  const drawn = new Set<string>()
  return ends.flatMap(([a, b]) => {
    const key = [a, b].toSorted().join('\n\n')
    /** A port is no node of its own: its switch is. */
    const node = (end: string) => ids.get(labels.has(end) ? (end.split('\n')[0] as string) : end)
    const [from, to] = [node(a), node(b)]
    if (from === undefined || to === undefined || drawn.has(key)) return []
    drawn.add(key)
    const said = [a, b].flatMap((end) => labels.get(end) ?? [])
    return [`  ${from} ${said.length === 0 ? '---' : `---|${quoted(said.join(' · '))}|`} ${to}`]
  })
}

function quoted(text: string): string {
  return `"${text.replace(/[#"<>&]/g, (c) => `#${c.charCodeAt(0)};`)}"`
}
