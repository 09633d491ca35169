/** Cables: each written once, on the nic (or switch port) it starts at. */
import { parseEnd } from './phrases.ts'
import { isWritten, type Resolving, unknownName } from './resolving.ts'
import type { Path } from './source.ts'
import { didYouMean, listed } from './text.ts'
import type { End, Switch } from './topology.ts'

/** The other end by `node:link`. */
export type Cables = ReadonlyMap<string, End>

export const endKey = (node: string, link: string): string => `${node}:${link}`

/** Collects the cables of the file, both directions of each. */
export function resolveCables(reading: Resolving, switches: readonly Switch[]): Cables {
  const cables = new Map<string, End>()
  const { source, file } = reading
  for (const { near, text, path } of writtenCables(reading)) {
    const parsed = parseEnd(text)
    if (!parsed.ok) {
      source.problem(path, parsed.sentence)
      continue
    }
    const far = parsed.value
    if (far === undefined || !checkFarEnd(reading, switches, near, far, path)) continue
    const taken = [near, far].find((end) => cables.has(endKey(end.node, end.link)))
    if (taken !== undefined) {
      const other = cables.get(endKey(taken.node, taken.link)) as End
      const twice =
        endKey(other.node, other.link) === endKey(near.node, near.link) ||
        endKey(other.node, other.link) === endKey(far.node, far.link)
      const say = twice
        ? `the cable between ${endKey(near.node, near.link)} and ${endKey(far.node, far.link)} is written twice: write it once`
        : `${endKey(taken.node, taken.link)} already has a cable, to ${endKey(other.node, other.link)}`
      source.problem(path, say)
      continue
    }
    cables.set(endKey(near.node, near.link), far)
    cables.set(endKey(far.node, far.link), near)
  }
  for (const [host, typed] of Object.entries(file.hosts ?? {})) {
    for (const [nic, value] of Object.entries(typed.nics ?? {})) {
      if (typeof value === 'string' || value.to !== undefined) continue
      if (cables.has(endKey(host, nic))) continue
      const say = 'has no cable: write to: SWITCH:PORT, to: HOST:NIC or to: none'
      source.problem(['hosts', host, 'nics', nic], say, 'key')
    }
  }
  return cables
}

interface Written {
  readonly near: End
  readonly text: string
  readonly path: Path
}

function writtenCables({ file }: Resolving): Written[] {
  const written: Written[] = []
  for (const [node, host] of Object.entries(file.hosts ?? {})) {
    for (const [link, nic] of Object.entries(host.nics ?? {})) {
      const base: Path = ['hosts', node, 'nics', link]
      if (typeof nic === 'string') written.push({ near: { node, link }, text: nic, path: base })
      else if (nic.to !== undefined) {
        written.push({ near: { node, link }, text: nic.to, path: [...base, 'to'] })
      }
    }
  }
  for (const [node, sw] of Object.entries(file.switches ?? {})) {
    for (const [link, port] of Object.entries(sw.ports)) {
      if (typeof port === 'string' || port.to === undefined) continue
      const path: Path = ['switches', node, 'ports', link, 'to']
      written.push({ near: { node, link }, text: port.to, path })
    }
  }
  return written
}

function checkFarEnd(
  { source, file }: Resolving,
  switches: readonly Switch[],
  near: End,
  far: End,
  path: Path,
): boolean {
  const hosts = file.hosts ?? {}
  const sw = switches.find((s) => s.name === far.node)
  const host = Object.hasOwn(hosts, far.node) ? hosts[far.node] : undefined
  if (sw === undefined && host === undefined) {
    const names = [...switches.map((s) => s.name), ...Object.keys(hosts)]
    unknownName(source, path, 'switch or host', far.node, names)
    return false
  }
  if (far.node === near.node && far.link === near.link) {
    source.problem(path, 'a cable has two ends: this one leads back to where it starts')
    return false
  }
  const links = sw === undefined ? Object.keys(host?.nics ?? {}) : sw.ports.map((p) => p.name)
  if (links.includes(far.link)) return true
  const section = sw === undefined ? ['hosts', far.node, 'nics'] : ['switches', far.node, 'ports']
  if (isWritten(source, ...section, far.link)) return false
  const [kind, word] = sw === undefined ? ['host', 'nic'] : ['switch', 'port']
  const has = links.length === 0 ? `it has none` : `it has ${listed(links)}`
  source.problem(
    path,
    `${kind} ${far.node} has no ${word} "${far.link}"${didYouMean(far.link, links)}: ${has}`,
  )
  return false
}
