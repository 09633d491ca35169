/**
 * A picture of a lab in text: switches with their ports, hosts as boxes, cables between them, and
 * the macvlan and ipvlan children under the link they sit on.
 */
import { type Box, CABLE, mergedBox, mergedPorts, networkTexts, rowTexts, union } from './boxes.ts'
import type { Paint } from './paint.ts'
import type { Port, Switch, Topology } from './topology.ts'
import { padEnd, padStart, widthOf } from './width.ts'

export function drawLab(topologies: readonly Topology[], paint: Paint): string {
  const [first] = topologies
  if (first === undefined) return ''
  const switches = union(topologies.map((t) => t.switches))
  const hosts = union(topologies.map((t) => t.hosts)).map((host) => ({
    name: host.name,
    box: mergedBox(topologies, host.name),
  }))
  const drawn = new Set<string>()
  const lines: string[] = []
  for (const sw of switches) {
    const attached = hosts.filter(
      (h) => !drawn.has(h.name) && h.box.rows.some((r) => r.end?.node === sw.name),
    )
    for (const host of attached) drawn.add(host.name)
    const ports = mergedPorts(topologies, sw)
    lines.push(
      ...drawSwitch(
        sw,
        ports,
        attached.map((h) => h.box),
        paint,
      ),
    )
  }
  for (const host of hosts) if (!drawn.has(host.name)) lines.push(...drawBox(host.box, '', paint))
  const networks = networkTexts(topologies).map((n) => `${paint('title', n.name)}: ${n.text}`)
  return [...lines, ...networks].join('\n')
}

function drawSwitch(
  sw: Switch,
  ports: ReadonlyMap<string, string>,
  boxes: readonly Box[],
  paint: Paint,
): string[] {
  const title = ` ${sw.name} `
  const width = Math.max(widthOf(title) + 1, ...[...ports.values()].map((p) => widthOf(p) + 2))
  const side = (label: string, cable: boolean): string =>
    `${paint('dim', '│')}${padStart(label, width - 1)} ${paint('dim', cable ? `├${CABLE}` : '│    ')}`
  const top = `${paint('dim', '┌')}${paint('title', title)}${paint('dim', `${'─'.repeat(width - widthOf(title))}┐`)}`
  const body = boxes.flatMap((box) => {
    const inner = drawBox(box, sw.name, paint)
    return inner.map((line, i) => {
      const end = i === 0 || i === inner.length - 1 ? undefined : box.rows[i - 1]?.end
      const mine = end?.node === sw.name
      return `${side(mine ? (ports.get(end.link) ?? end.link) : '', mine)}${line}`
    })
  })
  const others = sw.ports
    .filter((p) => p.peer !== undefined && !boxes.some((b) => isOn(b, sw, p)))
    .map((p) => `${side(ports.get(p.name) ?? p.name, true)} ${p.peer?.node}:${p.peer?.link}`)
  const bottom = paint('dim', `└${'─'.repeat(width)}┘`)
  return [top, ...body, ...others, bottom]
}

function isOn(box: Box, sw: Switch, port: Port): boolean {
  return box.rows.some((r) => r.end?.node === sw.name && r.end.link === port.name)
}

/** @param joined the switch whose cables are drawn; other cables are written */
function drawBox(box: Box, joined: string, paint: Paint): string[] {
  const texts = rowTexts(box.rows, joined)
  const title = ` ${box.title} `
  const width = Math.max(widthOf(title) + 1, ...texts.map((t) => widthOf(t) + 2))
  const lines = texts.map((text, i) => {
    const cable = box.rows[i]?.end?.node === joined
    return `${paint('dim', cable ? '┤' : '│')} ${padEnd(text, width - 1)}${paint('dim', '│')}`
  })
  const top = `${paint('dim', '┌')}${paint('title', title)}${paint('dim', `${'─'.repeat(width - widthOf(title))}┐`)}`
  return [top, ...lines, paint('dim', `└${'─'.repeat(width)}┘`)]
}
