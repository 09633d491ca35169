/** `explain` for a lab: its world, its ends, and the lines of its file that made it so. */
import { formatIp, type Ip, tryParseIp } from '../addr/ip.ts'
import { contains } from '../addr/prefix.ts'
import { LanyardError } from '../errors.ts'
import { explain, type ExplainOptions } from '../explain/explain.ts'
import type { Question } from '../explain/question.ts'
import type { Explanation } from '../explain/types.ts'
import type { SimFabric } from '../sim/fabric.ts'
import { openSim } from '../sim/fabric.ts'
import { fileEdit } from './explain-edit.ts'
import { originsIn } from './origin.ts'
import { planLab } from './plan.ts'
import { addressTowards } from './probing.ts'
import type { CommandResult } from './run.ts'
import type { LabSource } from './source.ts'
import { didYouMean, listed } from './text.ts'
import { nodesOf, type Topology } from './topology.ts'
import { formatVariables } from './variables.ts'

/** Naming as simulated: a namespace is called as its node. */
const BARE = { prefix: '' }

export interface Asking {
  readonly from: string
  readonly to: string
  /** Default: 4 where both have such an address, else 6. */
  readonly family: 4 | 6 | undefined
  readonly protocol: Question['protocol']
  readonly port: number | undefined
  readonly size: number | undefined
}

/** Chooses the one combination of a lab with a matrix. */
export function chooseTopology(
  topologies: readonly Topology[],
  wanted: Readonly<Record<string, string>>,
  help = 'lanyard explain --help',
): Topology {
  const fits = fittingTopologies(topologies, wanted, help)
  const [first] = fits as [Topology]
  if (fits.length === 1) return first
  const names = Object.keys(first.variables)
  const open = names.filter((n) => wanted[n] === undefined && valuesOf(fits, n).length > 1)
  const hints = open.map((n) => `--set ${n}=${valuesOf(fits, n).join('|')}`)
  const sentence = `lab ${first.lab} has ${fits.length} combinations: choose one with ${hints.join(' ')}`
  throw new LanyardError('usage', { sentence, help })
}

/**
 * The combinations of a lab with the values asked for, one at least.
 *
 * @throws LanyardError `usage` for a variable or value the lab does not have
 */
export function fittingTopologies(
  topologies: readonly Topology[],
  wanted: Readonly<Record<string, string>>,
  help: string,
): readonly Topology[] {
  const [first] = topologies
  const names = Object.keys(first?.variables ?? {})
  const say = (sentence: string): never => {
    throw new LanyardError('usage', { sentence, help })
  }
  for (const [name, value] of Object.entries(wanted)) {
    if (!names.includes(name)) {
      const has = names.length === 0 ? 'has no matrix' : `has the variables ${listed(names)}`
      say(`there is no variable "${name}"${didYouMean(name, names)}: lab ${first?.lab} ${has}`)
    }
    const values = valuesOf(topologies, name)
    if (!values.includes(value)) say(`${name} is one of ${listed(values)}, not "${value}"`)
  }
  const fits = topologies.filter((t) =>
    Object.entries(wanted).every(([name, value]) => String(t.variables[name]) === value),
  )
  if (fits.length === 0) say(`lab ${first?.lab} leaves out ${pairs(wanted)} (see its "unless")`)
  return fits
}

function valuesOf(topologies: readonly Topology[], name: string): string[] {
  return [...new Set(topologies.map((t) => String(t.variables[name])))]
}

function pairs(wanted: Readonly<Record<string, string>>): string {
  return Object.entries(wanted)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')
}

/**
 * Makes a lab's world: its plan, then its command lines.
 * @throws LanyardError `op-refused`, `lab-command-failed`
 */
export async function openLabWorld(
  topology: Topology,
  file: string,
  command: (fabric: SimFabric, netns: string, line: string) => Promise<CommandResult>,
): Promise<SimFabric> {
  const fabric = openSim()
  fabric.applyNow(planLab(topology, BARE))
  await fabric.settle()
  for (const node of [...topology.hosts, ...topology.containers]) {
    for (const { text, line } of node.run) {
      const result = await command(fabric, node.name, text)
      if (result.code === 0) continue
      throw new LanyardError('lab-command-failed', {
        file,
        line,
        node: node.name,
        command: text,
        status: result.code,
        output: (result.stderr || result.stdout).trim() || 'it printed nothing',
      })
    }
  }
  await fabric.settle()
  return fabric
}

/** Explains one pair of a lab. @throws LanyardError `usage` for ends that are not there */
export function explainLab(
  fabric: SimFabric,
  topology: Topology,
  source: LabSource | undefined,
  asking: Asking,
  options: ExplainOptions = {},
): Explanation {
  const question = questionIn(topology, asking)
  const origins = source === undefined ? {} : { origins: originsIn(topology, source, question) }
  const found = explain(fabric, question, { ...origins, ...options })
  const remedies = found.remedies.map((remedy) => {
    const edit = fileEdit(topology, remedy.plan)
    return edit === undefined ? remedy : { ...remedy, edit }
  })
  return { ...found, remedies }
}

/** The question behind two names. */
export function questionIn(topology: Topology, asking: Asking): Question {
  const { protocol, port, size } = asking
  const from = nodeOf(topology, asking.from)
  const [name] = asking.from.split('.')
  const given = tryParseIp(asking.to)
  const owner =
    given === undefined
      ? undefined
      : nodesOf(topology).find((n) => n.addresses.some((a) => a.prefix.address === given))
  const to = given === undefined ? nodeOf(topology, asking.to) : owner
  if (to !== undefined && to.name === from.name) {
    usage(`FROM and TO are both ${from.name}: a node reaches itself`)
  }
  const family = familyFor(from, to, given, asking)
  const own = from.addresses.map((a) => a.prefix)
  const target = given ?? addressTowards(to?.addresses.map((a) => a.prefix) ?? [], own, family)
  if (target === undefined) return usage(`${to?.name} has no IPv${family} address`)
  if (!own.some((p) => (typeof p.address === 'bigint') === (family === 6))) {
    usage(`${from.name} has no IPv${family} address`)
  }
  const link =
    from.addresses.find((a) => contains(a.prefix, target))?.link ?? from.addresses[0]?.link
  if (protocol === 'arp' && family === 6) usage('ARP is for IPv4: leave out -6 or the protocol')
  return {
    from: name ?? from.name,
    to: to?.name,
    target,
    protocol,
    ...(port === undefined ? {} : { port }),
    ...(size === undefined ? {} : { size }),
    ...(protocol === 'arp' && link !== undefined ? { link } : {}),
  }
}

type Node = ReturnType<typeof nodesOf>[number]

function nodeOf(topology: Topology, name: string): Node {
  const nodes = nodesOf(topology)
  const found = nodes.find((n) => n.name === name)
  if (found !== undefined) return found
  const names = nodes.map((n) => n.name)
  if (topology.switches.some((s) => s.name === name)) {
    return usage(`${name} is a switch, which has no address: ask for one of ${listed(names)}`)
  }
  const where = formatVariables(topology.variables)
  const which = where === '' ? '' : ` with ${where}`
  return usage(
    `there is no node "${name}"${didYouMean(name, names)} in lab ${topology.lab}${which}: ` +
      `it has ${listed(names)}`,
  )
}

function familyFor(from: Node, to: Node | undefined, given: Ip | undefined, asking: Asking): 4 | 6 {
  if (given !== undefined) {
    const family = typeof given === 'bigint' ? 6 : 4
    if (asking.family !== undefined && asking.family !== family) {
      usage(`${formatIp(given)} is an IPv${family} address, and IPv${asking.family} was asked for`)
    }
    return family
  }
  if (asking.family !== undefined) return asking.family
  const has = (node: Node | undefined) =>
    node?.addresses.some((a) => typeof a.prefix.address === 'number') === true
  return has(from) && has(to) ? 4 : 6
}

function usage(sentence: string): never {
  throw new LanyardError('usage', { sentence, help: 'lanyard explain --help' })
}
