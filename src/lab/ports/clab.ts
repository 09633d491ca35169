/**
 * A containerlab topology as a lab: bridges are switches, other nodes are hosts, links are cables,
 * and the `exec` lines are run by the laboratory's shell to see what they make of a node.
 */
import { tryParseMac } from '../../addr/mac.ts'
import type { LabSource, Path } from '../source.ts'
import { didYouMean, listed } from '../text.ts'
import type { End } from '../topology.ts'
import { type ClabFile, type ClabLink, type ClabNode, clabSchema } from './clab-schema.ts'
import { Draft, type Imported } from './draft.ts'
import { finishImport } from './finish.ts'
import {
  type ImportOptions,
  labNameLike,
  noteKeys,
  openForeign,
  placeIn,
  shaped,
} from './foreign.ts'
import type { ForeignCable, ForeignLine, ForeignNode, RunAt } from './world.ts'

/** Kinds that switch and run no commands. */
const BRIDGES = ['bridge', 'ovs-bridge']
/** The machine itself, as an end of a cable. */
const MACHINE = 'host'

interface Clab {
  readonly draft: Draft
  readonly source: LabSource
  readonly file: ClabFile
}

/**
 * Imports a containerlab topology.
 *
 * @param fallback name of the lab when neither the file nor the options have one
 * @throws LanyardError `lab-invalid` with the places of what is wrong
 */
export async function importClab(
  file: string,
  text: string,
  fallback: string,
  options: ImportOptions,
  run: RunAt,
): Promise<Imported> {
  const source = openForeign(file, text, options)
  const typed = shaped(source, clabSchema, 'must be a mapping with name and topology')
  const name = labNameLike(options.name ?? typed.name ?? fallback)
  const draft = new Draft(name, [
    `From ${file} (containerlab).`,
    'What its exec lines set stands as addresses, routes, links and sysctls of the node.',
  ])
  const clab: Clab = { draft, source, file: typed }
  const cables = (typed.topology.links ?? []).flatMap((link, i) => readLink(clab, link, i))
  const machine = cables.some((c) => c.b.node === MACHINE || c.a.node === MACHINE)
  const nodes = Object.entries(typed.topology.nodes).map(([own, node]) =>
    readNode(clab, own, node ?? {}, cables),
  )
  checkEnds(source, cables)
  source.check()
  sayRest(clab)
  const extra: ForeignNode[] =
    machine && !Object.hasOwn(typed.topology.nodes, MACHINE)
      ? [{ name: MACHINE, kind: 'host', sysctls: [], lines: [], file, line: 1 }]
      : []
  return finishImport(draft, { name, nodes: [...nodes, ...extra], cables }, file, run)
}

function readNode(
  { draft, source, file }: Clab,
  name: string,
  node: ClabNode,
  cables: readonly ForeignCable[],
): ForeignNode {
  const { topology } = file
  const path: Path = ['topology', 'nodes', name]
  const place = placeIn(source, path)
  const group = node.group === undefined ? undefined : topology.groups?.[node.group]
  const kind = node.kind ?? group?.kind ?? topology.defaults?.kind ?? 'linux'
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$/.test(name)) {
    source.problem(
      path,
      `"${name}" is no name for a node of a lab: letters, digits, "-" and "_"`,
      'key',
    )
  }
  const layers: readonly (readonly [Path, ClabNode | null | undefined])[] = [
    [['topology', 'defaults'], topology.defaults],
    [['topology', 'kinds', kind], topology.kinds?.[kind]],
    [['topology', 'groups', node.group ?? ''], group],
    [path, node],
  ]
  const bridge = BRIDGES.includes(kind)
  const lines = [
    ...linkAddresses({ draft, source, file }, name),
    ...layers.flatMap(([at, layer]) =>
      (layer?.exec ?? []).map((text, i) => ({ ...placeIn(source, [...at, 'exec', i]), text })),
    ),
  ]
  if (bridge) {
    for (const line of lines)
      draft.note(line, `${name}: not carried: "${line.text}": a ${kind} runs nothing`)
  } else if (kind !== 'linux' && kind !== MACHINE) {
    draft.note(
      place,
      `${name}: kind ${kind} becomes a plain Linux host: its own configuration is not carried`,
    )
  }
  noteKeys(draft, source, path, ['kind', 'group', 'exec', 'sysctls'], {
    what: name,
    why: 'a lab has networks only',
  })
  const settings = Object.assign({}, ...layers.map(([, l]) => l?.sysctls ?? {})) as Record<
    string,
    unknown
  >
  const ends = cables.flatMap(({ a, b }) => [a, b]).filter((end) => end.node === name).length
  // Docker has the machine forward IPv4, and every container begins with what the machine has.
  const several = ends > 1 || lines.some(({ text }) => /\blink add\b|\bvconfig\b/.test(text))
  const first = several && !bridge ? { 'net.ipv4.ip_forward': '1' } : {}
  const sysctls = Object.entries({ ...first, ...settings }).map(([k, v]) => [k, String(v)] as const)
  return {
    ...{ name, kind: bridge ? 'switch' : 'host', sysctls, ...place },
    lines: bridge ? [] : lines.filter((line) => !needsShell(draft, name, line)),
  }
}

/** containerlab hands the words of a line to the program: no shell reads `>` or `&&`. */
function needsShell(draft: Draft, name: string, line: ForeignLine): boolean {
  const bare = line.text.replace(/'[^']*'|"(?:[^"\\]|\\.)*"/g, '')
  const found = /&&|\|\|?|[;<>&]|\$\(|`/.exec(bare)?.[0]
  if (found === undefined) return false
  const say = `containerlab runs it without a shell, so "${found}" is a word for the program; write sh -c '...'`
  draft.note(line, `${name}: not carried: "${line.text}": ${say}`)
  return true
}

/** Addresses that links give their ends, as the command that sets them. */
function linkAddresses({ source, file }: Clab, node: string): ForeignLine[] {
  return (file.topology.links ?? []).flatMap((link, i) =>
    (link.endpoints ?? []).flatMap((end, n): ForeignLine[] => {
      const at =
        typeof end === 'string' ? splitEnd(end) : { node: end.node, link: end.interface ?? '' }
      if (at?.node !== node) return []
      return (['ipv4', 'ipv6'] as const).flatMap((family) => {
        const address = link[family]?.[n]
        if (address === undefined || address === '') return []
        const place = placeIn(source, ['topology', 'links', i, family, n])
        return [{ ...place, text: `ip addr add ${address} dev ${at.link}` }]
      })
    }),
  )
}

function splitEnd(text: string): End | undefined {
  const at = text.indexOf(':')
  return at < 1 || at === text.length - 1
    ? undefined
    : { node: text.slice(0, at), link: text.slice(at + 1) }
}

/** The cable of a link; none for what is no cable, which is said. */
function readLink(clab: Clab, link: ClabLink, i: number): ForeignCable[] {
  const { draft, source, file } = clab
  const path: Path = ['topology', 'links', i]
  const place = placeIn(source, path)
  noteKeys(
    draft,
    source,
    path,
    ['type', 'endpoints', 'endpoint', 'mtu', 'ipv4', 'ipv6', 'host-interface'],
    {
      what: `link ${i + 1}`,
      why: 'a lab has no such setting of a cable',
    },
  )
  const type = link.type ?? 'veth'
  if (type === 'host' && link.endpoint?.interface !== undefined) {
    const far = link['host-interface']
    const a = { node: link.endpoint.node, link: link.endpoint.interface }
    const b = { node: MACHINE, link: typeof far === 'string' ? far : a.link }
    return [{ a, b, mtu: link.mtu, macs: [undefined, undefined], ...place }]
  }
  if (type !== 'veth') {
    draft.note(place, `link ${i + 1}: left out: a lab has no link of type ${type}`)
    return []
  }
  const ends = link.endpoints ?? []
  if (ends.length !== 2) {
    source.problem([...path, 'endpoints'], `a link has two ends, and this one ${ends.length}`)
    return []
  }
  const macs: (number | undefined)[] = []
  const found: End[] = []
  for (const [n, end] of ends.entries()) {
    const at: Path = [...path, 'endpoints', n]
    const where =
      typeof end === 'string' ? splitEnd(end) : { node: end.node, link: end.interface ?? '' }
    if (where === undefined || where.link === '') {
      source.problem(at, `${JSON.stringify(end)} is no end of a link: write NODE:LINK`)
      return []
    }
    if (where.node === 'macvlan' || where.node === 'mgmt-net') {
      draft.note(place, `link ${i + 1}: left out: ${where.node}:${where.link} leads out of the lab`)
      return []
    }
    const known = Object.keys(file.topology.nodes)
    if (!known.includes(where.node) && where.node !== MACHINE) {
      const say = `there is no node "${where.node}"${didYouMean(where.node, known)}: there are ${listed(known)}`
      source.problem(at, say)
      return []
    }
    if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/.test(where.link)) {
      source.problem(
        at,
        `"${where.link}" is no name of a link: at most 15 letters, digits, ".", "-" and "_"`,
      )
      return []
    }
    const mac = typeof end === 'string' ? undefined : end.mac
    if (mac !== undefined && tryParseMac(mac) === undefined) {
      source.problem([...at, 'mac'], `"${mac}" is no MAC address: write 02:00:00:00:00:01`)
    }
    macs.push(mac === undefined ? undefined : tryParseMac(mac))
    found.push(where)
  }
  const [a, b] = found as [End, End]
  return [{ a, b, mtu: link.mtu, macs: [macs[0], macs[1]], ...place }]
}

/** A link has one cable. */
export function checkEnds(source: LabSource, cables: readonly ForeignCable[]): void {
  const taken = new Map<string, number>()
  for (const { a, b, line } of cables) {
    for (const { node, link } of [a, b]) {
      const key = `${node}:${link}`
      const before = taken.get(key)
      if (before !== undefined)
        source.problemAtLine(line, `${key} has a cable already, in line ${before}`)
      taken.set(key, line)
    }
  }
}

function sayRest({ draft, source, file }: Clab): void {
  if (file.mgmt !== undefined) {
    const say =
      'mgmt: left out: the management network is a second way between all nodes; a lab has the links alone'
    draft.note(placeIn(source, ['mgmt']), say)
  }
  const what = { what: 'the file', why: 'a lab has networks only' }
  noteKeys(draft, source, [], ['name', 'topology', 'mgmt', 'prefix'], what)
  const parts = ['defaults', 'kinds', 'groups', 'nodes', 'links']
  noteKeys(draft, source, ['topology'], parts, { ...what, what: 'topology' })
}
