/** An explanation as text for people: headline, way, rule, where it was written, what mends it. */
import { printPlan } from '../fabric/print-ip.ts'
import { REASONS } from '../fabric/reason.ts'
import type { Effects, Explanation, Hop, Leg, Remedy } from '../explain/types.ts'
import { printFrame } from '../wire/print.ts'
import type { Paint } from './paint.ts'
import { padEnd, widthOf, wrap } from './width.ts'

const WIDTH = 100
/** Where the text of a section begins. */
const INDENT = 8

export interface PrintOptions {
  readonly paint: Paint
  readonly name?: (netns: string) => string
}

export function printExplanation(found: Explanation, options: PrintOptions): string {
  const { paint } = options
  const parts = [
    head(found, paint),
    ...wayLines(found, options),
    ...orderLines(found, options),
    ...ruleLines(found, paint),
    ...found.origins.map((o) =>
      section('from', `${o.file === undefined ? '' : `${o.file}:${o.line}  `}${o.text}`, paint),
    ),
    ...found.notes.map((note) => section('note', note, paint)),
    ...found.remedies.flatMap((remedy, i) => remedyLines(remedy, i + 1, options)),
    ...triedLines(found, paint),
  ]
  return parts.join('\n')
}

function head(found: Explanation, paint: Paint): string {
  const { verdict, headline, ttl } = found
  if (verdict === 'ok') {
    const with64 = ttl === undefined ? '' : `, ttl ${ttl}`
    return `${paint('good', 'ok')}: ${paint('title', `${headline}${with64}`)}`
  }
  const code = found.cause ?? found.code
  const word = verdict === 'order' ? 'order' : 'error'
  return `${paint('bad', code === undefined ? word : `${word}[${code}]`)}: ${paint('title', headline)}`
}

function orderLines(found: Explanation, { paint, name }: PrintOptions): string[] {
  if (found.verdict !== 'order') return []
  const { question, orders } = found
  const other = question.to === undefined ? 'the other end' : nameOf(question.to, name)
  const say = (ok: boolean) => (ok ? 'works' : 'fails')
  return [
    section(
      'order',
      `from empty tables it ${say(orders.cold)}; after ${other} has spoken first it ${say(orders.spoken)}`,
      paint,
    ),
  ]
}

/** Messages that did their work are one line each, unless there is nothing else to show. */
function wayLines(found: Explanation, options: PrintOptions): string[] {
  const legs = found.way
  const shown = legs.filter((leg) => !isResolving(leg) || !leg.arrived)
  const hidden = legs.length - shown.length
  const lines = (shown.length === 0 ? legs : shown).flatMap((leg) => legLines(leg, found, options))
  if (hidden === 0 || shown.length === 0) return lines
  const what = hidden === 1 ? '1 message' : `${hidden} messages`
  return [options.paint('dim', `  (${what} to find neighbours went well)`), ...lines]
}

function isResolving(leg: Leg): boolean {
  return /^(?:ARP|neighbour)/.test(leg.message)
}

function legLines(leg: Leg, found: Explanation, options: PrintOptions): string[] {
  const { paint, name } = options
  const frame = leg.hops.find((h) => h.frame !== undefined)?.frame
  const text = frame === undefined ? '' : `  ${shorten(printFrame(frame))}`
  const first = Math.max(...leg.hops.map((h) => widthOf(nameOf(h.netns, name))))
  const second = Math.max(...leg.hops.map((h) => widthOf(h.links.join(' → '))))
  return [
    `  ${leg.message}${leg.back ? ', on the way back' : ''}${paint('dim', text)}`,
    ...leg.hops.map((hop) => hopLine(hop, found, options, first, second)),
  ]
}

/** The ends alone: what sort of message it is stands before. */
function shorten(text: string): string {
  return text
    .replace(/^(?:ARP, (?:Request|Reply) |IP6? )/, '')
    .replace(/(?:: (?:ICMP|Flags|UDP|HBH)|, length \d+$).*/, '')
}

function hopLine(
  hop: Hop,
  found: Explanation,
  { paint, name }: PrintOptions,
  first: number,
  second: number,
): string {
  const mark = hop.decisive ? paint('bad', '✗') : ' '
  const links = padEnd(hop.links.join(' → '), second)
  const who = padEnd(nameOf(hop.netns, name), first)
  const copies = hop.copies === 0 ? '' : `and to ${hop.copies} more ${plural(hop.copies, 'link')}`
  const tags = hop.frame?.tags.map((t) => `VLAN ${t.id}`).join(', ') ?? ''
  const said = [hop.decisive ? (found.code ?? '') : tags, copies].filter((t) => t !== '').join('; ')
  return `    ${mark} ${who}  ${links}  ${hop.decisive ? paint('bad', said) : paint('dim', said)}`.trimEnd()
}

function ruleLines({ code, rule }: Explanation, paint: Paint): string[] {
  if (code === undefined || rule === undefined) return []
  const reason = REASONS[code].says
  const own = rule.text === reason ? [] : [section('rule', rule.text, paint)]
  return [
    section(own.length === 0 ? 'rule' : '', `${code}: ${reason}`, paint, own.length > 0),
    ...(rule.filter === undefined ? [] : [section('', rule.filter, paint)]),
    section('', rule.kernel, paint, true),
  ].toSpliced(0, 0, ...own)
}

function remedyLines(remedy: Remedy, number: number, { paint }: PrintOptions): string[] {
  const oneWay = remedy.bothWays ? '' : ' (this way only: the way back still fails)'
  const commands = remedy.commands ?? printPlan(remedy.plan)
  const undo = remedy.undoCommands ?? printPlan(remedy.undo)
  return [
    section(
      paint('good', `fix ${number}`),
      `${remedy.title}${oneWay}; ${effectText(remedy.effects)}`,
      paint,
    ),
    ...commands.map((line) => `${' '.repeat(INDENT + 2)}${line}`),
    ...(remedy.edit === undefined ? [] : [section('', `in the file: ${remedy.edit}`, paint)]),
    ...undo.map((line, i) =>
      paint('dim', `${' '.repeat(INDENT)}${i === 0 ? 'undo: ' : '      '}${line}`),
    ),
  ]
}

/** `+6 pairs become reachable: a -> b, ...` */
export function effectText({ opened, closed, openedPairs, closedPairs }: Effects): string {
  if (opened + closed === 0) return 'nothing else changes'
  const list = (n: number, pairs: readonly string[]) =>
    `${pairs.join(', ')}${n > pairs.length ? ', ...' : ''}`
  return [
    opened === 0
      ? ''
      : `+${opened} other ${plural(opened, 'pair')} reachable: ${list(opened, openedPairs)}`,
    closed === 0
      ? ''
      : `-${closed} ${plural(closed, 'pair')} no longer: ${list(closed, closedPairs)}`,
  ]
    .filter((text) => text !== '')
    .join('; ')
}

function triedLines(found: Explanation, paint: Paint): string[] {
  const { rejected, search, remedies, verdict, code } = found
  if (verdict === 'ok' || code === undefined || search.candidates === 0) return []
  const tried = rejected.map((r) => `${r.title} (${r.why})`).join(' · ')
  const many = `${search.tried} ${plural(search.tried, 'change')} tried`
  const bounded = search.bounded ? ` of ${search.candidates}: the rest was left` : ''
  return [
    ...(remedies.length === 0 ? [section('fix', `none found; ${many}${bounded}`, paint)] : []),
    ...(tried === '' ? [] : [section('tried', `no help: ${tried}`, paint)]),
    ...(remedies.length > 0 && search.bounded ? [section('', `${many}${bounded}`, paint)] : []),
  ]
}

/** A label and a text beside it, wrapped. */
export function section(label: string, text: string, paint: Paint, faint = false): string {
  const lines = wrap(text, WIDTH - INDENT)
  const first = padEnd(`  ${label}`, INDENT)
  const body = faint ? lines.map((line) => paint('dim', line)) : lines
  return `${first}${body.join(`\n${' '.repeat(INDENT)}`)}`
}

function plural(count: number, word: string): string {
  return count === 1 ? word : `${word}s`
}

function nameOf(netns: string, name: PrintOptions['name']): string {
  return name === undefined ? netns : name(netns)
}
