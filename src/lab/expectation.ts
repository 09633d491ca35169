/**
 * Expectations, one line each: `A -> B ok|fail`, then `ttl N`, `via R`, `as IP`, `tcp/80`,
 * `within 3s`, `v6`, `why CODE`.
 *
 * A and B are a node, `node.link`, an address (B), `net:NAME`, `{a,b}` or `*`; sets mean every
 * pair, `<->` both directions, and a node is never paired with itself.
 */
import { tryParseIp } from '../addr/ip.ts'
import { REASON_CODES } from '../fabric/reason.ts'
import { evaluate, truth } from './expression.ts'
import type { Resolving } from './resolving.ts'
import { each } from './resolve-hosts.ts'
import type { ExpectFile } from './schema.ts'
import type { Path } from './source.ts'
import { parseService } from './phrases.ts'
import { didYouMean, listed } from './text.ts'
import { type Expectation, type Member, nodesOf, type Topology } from './topology.ts'

const FORM =
  'write "A -> B ok" or "A -> B fail", with ttl N, via R, as IP, tcp/80, within 3s, v6, why CODE behind it'

/** The expectations that hold in this combination. */
export function resolveExpectations(
  reading: Resolving,
  topology: Topology,
  typed: readonly ExpectFile[],
  path: Path,
): Expectation[] {
  const { source, variables } = reading
  return typed.flatMap((item, i) => {
    if (typeof item === 'string') return parse(reading, topology, item, [...path, i])
    const at: Path = [...path, i]
    const result = evaluate(item.if, variables)
    if (!result.ok) {
      source.problem([...at, 'if'], result.sentence)
      return []
    }
    // Both branches are read, so a mistake in the one not taken is found too.
    const branch = (key: 'then' | 'else') =>
      each(item[key]).flatMap(({ text, sub }) =>
        parse(reading, topology, text, [...at, key, ...sub]),
      )
    const [yes, no] = [branch('then'), branch('else')]
    return truth(result.value) ? yes : no
  })
}

function parse(reading: Resolving, topology: Topology, text: string, path: Path): Expectation[] {
  const { source } = reading
  const fail = (sentence: string): Expectation[] => {
    source.problem(path, sentence)
    return []
  }
  const match = /^\s*(.+?)\s*(<->|->)\s*(\{[^}]*\}|\S+)\s*(.*)$/.exec(text)
  if (match === null) return fail(`"${text}" is no expectation: ${FORM}`)
  const [, left, arrow, right, rest] = match as unknown as [string, string, string, string, string]
  const words = rest.split(/\s+/).filter((w) => w !== '')
  const verdict = words.shift()
  if (verdict !== 'ok' && verdict !== 'fail') {
    return fail(
      verdict === undefined
        ? `the verdict is missing in "${text}": ${FORM}`
        : `"${verdict}" is no verdict: ${FORM}`,
    )
  }
  const names = nodesOf(topology).map((n) => n.name)
  const options = parseOptions(words, verdict, names)
  if (typeof options === 'string') return fail(options)
  const from = side(reading, topology, left, path)
  const to = side(reading, topology, right, path)
  if (from === undefined || to === undefined) return []
  const literal = from.find((m) => m.node === undefined)
  if (literal !== undefined) return fail(`"${left}": a ping starts at a node, not at an address`)
  if (arrow === '<->' && to.some((m) => m.node === undefined)) {
    return fail(`"${right}" is an address: only "->" leads there`)
  }
  // Every member is absent from this combination: nothing to expect.
  if (from.length === 0 || to.length === 0) return []
  return [
    {
      text: text.trim(),
      line: source.lineOf(path),
      from,
      to,
      both: arrow === '<->',
      verdict,
      ...options,
    },
  ]
}

type Options = Pick<Expectation, 'ttl' | 'family' | 'why' | 'service' | 'withinMs' | 'via' | 'as'>

type Found = { -readonly [K in keyof Options]: Options[K] }

const WORDS = ['ttl', 'via', 'as', 'tcp/', 'udp/', 'within', 'why', 'v4', 'v6']
/** A unit in milliseconds. */
const UNITS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000 }
const WITHIN_MAX_MS = 60_000

function parseOptions(
  words: readonly string[],
  verdict: 'ok' | 'fail',
  routers: readonly string[],
): Options | string {
  const found: Found = {
    ...{ ttl: undefined, family: undefined, why: undefined },
    ...{ service: undefined, withinMs: undefined, via: undefined, as: undefined },
  }
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string
    if (word === 'v4' || word === 'v6') found.family = word === 'v6' ? 6 : 4
    else if (/^(?:tcp|udp)/.test(word)) {
      const parsed = parseService(word)
      if (!parsed.ok) return parsed.sentence
      found.service = parsed.value
    } else if (TAKES[word] === undefined) {
      return `"${word}" is not understood${didYouMean(word, WORDS)}: ${FORM}`
    } else {
      const sentence = TAKES[word](found, words[++i] ?? '', routers)
      if (sentence !== undefined) return sentence
    }
  }
  return contradiction(found, verdict) ?? found
}

/** Words that take the next one; each gives a sentence when that is wrong. */
const TAKES: Readonly<
  Record<string, (found: Found, value: string, routers: readonly string[]) => string | undefined>
> = {
  ttl(found, value) {
    found.ttl = Number(value)
    const good = /^\d+$/.test(value) && found.ttl >= 1 && found.ttl <= 255
    return good ? undefined : `"ttl ${value}": a ttl is a number from 1 to 255`
  },
  why(found, value) {
    found.why = REASON_CODES.find((c) => c === value)
    if (found.why !== undefined) return undefined
    return `there is no reason "${value}"${didYouMean(value, REASON_CODES)}`
  },
  within(found, value) {
    const [, number, unit] = /^(\d+(?:\.\d+)?)(us|ms|s)$/.exec(value) ?? []
    found.withinMs = Number(number) * (UNITS[unit ?? ''] ?? Number.NaN)
    if (found.withinMs > 0 && found.withinMs <= WITHIN_MAX_MS) return undefined
    return `"within ${value}": write a time up to 60s, as 3s, 20ms or 500us`
  },
  as(found, value) {
    found.as = tryParseIp(value)
    return found.as === undefined
      ? `"as ${value}": write the address the other side sees`
      : undefined
  },
  via(found, value, routers) {
    found.via = value.split(',').filter((name) => name !== '')
    const unknown = found.via.find((name) => !routers.includes(name))
    if (found.via.length === 0) return 'via is followed by the routers on the way: via r1,r2'
    if (unknown === undefined) return undefined
    return `there is no node "${unknown}"${didYouMean(unknown, routers)}: there is ${listed(routers)}`
  },
}

/** What cannot be expected together. */
function contradiction(options: Options, verdict: 'ok' | 'fail'): string | undefined {
  const { ttl, why, via, as, service } = options
  if (verdict === 'fail' && ttl !== undefined) return 'a ping that fails has no ttl'
  if (verdict === 'fail' && via !== undefined)
    return 'a ping that fails has no way: "via" follows "ok"'
  if (verdict === 'fail' && as !== undefined) {
    return 'a ping that fails is seen by nobody: "as" follows "ok"'
  }
  if (verdict === 'ok' && why !== undefined) {
    return 'a ping that works has no reason: "why" follows "fail"'
  }
  if (service?.protocol === 'tcp' && ttl !== undefined) return 'a TCP connection shows no ttl'
  return undefined
}

/** The members of one side; those left out of this combination by `when` are left out here too. */
function side(
  reading: Resolving,
  topology: Topology,
  text: string,
  path: Path,
): Member[] | undefined {
  const names = /^\{([^}]*)\}$/.exec(text)?.[1]
  const parts = names === undefined ? [text] : names.split(',').map((p) => p.trim())
  const members: Member[] = []
  for (const part of parts) {
    const found = member(reading, topology, part)
    if (typeof found === 'string') {
      reading.source.problem(path, found)
      return undefined
    }
    members.push(...found)
  }
  return members
}

function member({ source }: Resolving, topology: Topology, text: string): Member[] | string {
  const nodes = nodesOf(topology)
  const of = (node: string): Member => ({ node, link: undefined, ip: undefined })
  if (text === '*') return nodes.filter((n) => n.addresses.length > 0).map((n) => of(n.name))
  const all = source.value as Record<string, Record<string, unknown> | undefined>
  if (text.startsWith('net:')) {
    const name = text.slice(4)
    const networks = Object.keys(all['networks'] ?? {})
    if (!networks.includes(name))
      return `there is no network "${name}"${didYouMean(name, networks)}: there is ${listed(networks)}`
    return topology.containers
      .filter((c) => c.children.some((l) => l.network === name))
      .map((c) => of(c.name))
  }
  const ip = tryParseIp(text)
  if (ip !== undefined) return [{ node: undefined, link: undefined, ip }]
  const dot = text.indexOf('.')
  const name = dot < 0 ? text : text.slice(0, dot)
  const everywhere = ['hosts', 'containers'].flatMap((s) => Object.keys(all[s] ?? {}))
  if (!everywhere.includes(name)) {
    const sw = Object.hasOwn(all['switches'] ?? {}, name)
    if (sw) return `${name} is a switch: it has no address to ping`
    return `there is no node "${name}"${didYouMean(name, everywhere)}: there is ${listed(everywhere)}`
  }
  const node = nodes.find((n) => n.name === name)
  if (node === undefined) return []
  const links = [...new Set(node.addresses.map((a) => a.link))]
  if (dot < 0) return links.length > 0 ? [of(name)] : `${name} has no address to ping`
  const link = text.slice(dot + 1)
  if (!links.includes(link)) {
    return `${name} has no address on a link "${link}"${didYouMean(link, links)}: it has some on ${listed(links)}`
  }
  return [{ node: name, link, ip: undefined }]
}
