/** Who reaches whom at scale, as text: classes, the matrix of classes, rows, changes. */
import { formatPrefix, networkOf } from '../addr/prefix.ts'
import { type Change, changedPairs } from '../explain/reach-change.ts'
import type { Reach, ReachCell, ReachClass } from '../explain/reach.ts'
import type { NetnsSnapshot, Snapshot } from '../fabric/snapshot.ts'
import { REASONS, type ReasonCode } from '../fabric/reason.ts'
import type { Paint } from './paint.ts'
import { padEnd, padStart, widthOf } from './width.ts'

/** Columns a matrix may have before it is told by reasons instead. */
const COLUMNS = 32
/** Names told of a list. */
const NAMES = 4
const CHANGES = 20

export interface MatrixText {
  readonly reach: Reach
  readonly snapshot: Snapshot
  readonly name: (netns: string) => string
  readonly paint: Paint
}

/** `1,307,248` */
export function count(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** The whole matrix, class by class. */
export function matrixText(told: MatrixText): string {
  const { reach, paint } = told
  const { endpoints, classes, pairs, ok } = reach.counts
  const title =
    `${count(endpoints)} endpoints in ${count(classes)} classes: ` +
    `${count(ok)} of ${count(pairs)} ordered pairs work`
  const body = classes > COLUMNS ? reasonsText(told) : gridText(told)
  return [paint('title', title), '', ...body].join('\n')
}

function gridText({ reach, snapshot, name, paint }: MatrixText): string[] {
  const marks = new Marks(reach)
  const ids = reach.classes.map((c) => letters(c.number))
  const cells = new Map<string, string[]>()
  for (const { from, to, cell } of reach.kinds()) {
    const key = `${from} ${to}`
    const list = cells.get(key) ?? []
    const text = marks.of(cell)
    if (!list.includes(text)) list.push(text)
    cells.set(key, list)
  }
  const textOf = (from: number, to: number): string =>
    cells.get(`${from} ${to}`)?.toSorted().join('/') ?? '·'
  const widths = ids.map((id, to) =>
    Math.max(id.length, ...ids.map((_, from) => widthOf(textOf(from, to)))),
  )
  const first = Math.max(...ids.map((id) => id.length))
  const head = ids.map((id, i) => padStart(id, widths[i] as number)).join('  ')
  const rows = ids.map((id, from) => {
    const row = ids.map((_, to) => {
      const text = textOf(from, to)
      const style = text === '·' ? 'dim' : text.includes('✗') ? 'bad' : 'good'
      return paint(style, padStart(text, widths[to] as number))
    })
    return `  ${padEnd(id, first)}  ${row.join('  ')}`
  })
  const legend = reach.classes.map((c, i) => {
    return `  ${padEnd(ids[i] as string, first)}  ${members(c, name)}: ${kindOf(snapshot, c, name)}`
  })
  return [
    `  ${padEnd('', first)}  ${paint('dim', head)}`,
    ...rows,
    '',
    ...legend,
    '',
    ...marks.text(paint),
  ]
}

/** Too many classes for a grid: why what does not work does not. */
function reasonsText({ reach, name, paint }: MatrixText): string[] {
  const byCode = new Map<ReasonCode, { pairs: number; readonly example: string }>()
  for (const { from, to, cell, count: n, example } of reach.kinds()) {
    if (cell.code === undefined || from < 0 || to < 0) continue
    const known = byCode.get(cell.code)
    if (known === undefined) {
      byCode.set(cell.code, { pairs: n, example: example.map(name).join(' -> ') })
    } else known.pairs += n
  }
  const rows = [...byCode].toSorted(([, a], [, b]) => b.pairs - a.pairs)
  return [
    ...rows.map(
      ([code, { pairs, example }]) =>
        `  ${paint('bad', `✗ ${code}`)}: ${count(pairs)} pairs, as ${example}`,
    ),
    '',
    '  too many classes for a grid: ask for a row (--from, --to), or all of it (--json, --csv)',
  ]
}

/** A letter for each reason, and what it means. */
class Marks {
  readonly #reach: Reach
  readonly #letters = new Map<ReasonCode, string>()

  constructor(reach: Reach) {
    this.#reach = reach
  }

  of({ ok, code, ttl }: ReachCell): string {
    if (ok) return String(ttl ?? 'ok')
    const reason = code ?? 'NEIGHBOUR_FAILED'
    let letter = this.#letters.get(reason)
    if (letter === undefined) {
      letter = letters(this.#letters.size).toLowerCase()
      this.#letters.set(reason, letter)
    }
    return `✗${letter}`
  }

  text(paint: Paint): string[] {
    const pairs = new Map<ReasonCode | undefined, number>()
    for (const { cell, count: n } of this.#reach.kinds()) {
      pairs.set(cell.code, (pairs.get(cell.code) ?? 0) + n)
    }
    return [...this.#letters].map(
      ([code, letter]) =>
        `  ${paint('bad', `✗${letter}`)} ${code}, ${count(pairs.get(code) ?? 0)} pairs: ${REASONS[code].says}`,
    )
  }
}

/** `c0, c4, c8, c12 and 1,246 more` */
function members({ members: list }: ReachClass, name: (netns: string) => string): string {
  return some(list.map(name))
}

function some(names: readonly string[]): string {
  if (names.length <= NAMES + 1) return names.join(', ')
  return `${names.slice(0, NAMES).join(', ')} and ${count(names.length - NAMES)} more`
}

/** What the members of a class are: `macvlan private on eth0.200, 10.11.0.0/16`. */
export function kindOf(
  snapshot: Snapshot,
  { members: [first] }: ReachClass,
  name: (netns: string) => string,
): string {
  const netns = snapshot.netns.find((n) => n.name === first)
  const loop = netns?.links.find((l) => l.kind === 'loopback')?.name
  const address = netns?.addresses.find(
    (a) => a.link !== loop && a.scope !== 'link' && a.scope !== 'host',
  )
  if (netns === undefined || address === undefined) return ''
  return `${linkWords(netns, address.link, name)}, ${formatPrefix({ ...address.address, address: networkOf(address.address) })}`
}

function linkWords(
  { links, name: own }: NetnsSnapshot,
  link: string,
  name: (netns: string) => string,
): string {
  const found = links.find((l) => l.name === link)
  if (found === undefined) return link
  const { kind, macvlan, ipvlan, vlan, parent } = found
  const mode = macvlan?.mode ?? ipvlan?.mode ?? (vlan === undefined ? undefined : String(vlan.id))
  const there = parent?.netns === own ? undefined : parent?.netns
  const where = there === undefined ? '' : `${name(there)}:`
  const on = parent?.name === undefined ? '' : ` on ${where}${parent.name}`
  return `${kind}${mode === undefined ? '' : ` ${mode}`}${kind === 'veth' ? '' : on}`
}

/** A, B, ..., Z, AA, AB, ... */
function letters(n: number): string {
  const own = String.fromCharCode(65 + (n % 26))
  return n < 26 ? own : letters(Math.floor(n / 26) - 1) + own
}

/** Whom one endpoint reaches, or who reaches it. */
export function rowText(told: MatrixText, end: string, direction: 'from' | 'to'): string {
  const { reach, name, paint } = told
  const groups = new Map<string, string[]>()
  let ok = 0
  const row = reach.row(end, direction)
  for (const [other, cell] of row) {
    if (cell.ok) ok++
    const key = cell.ok ? `works, ttl ${cell.ttl}` : `✗ ${cell.code}`
    const list = groups.get(key)
    if (list === undefined) groups.set(key, [name(other)])
    else list.push(name(other))
  }
  const title =
    direction === 'from'
      ? `${name(end)} reaches ${count(ok)} of ${count(row.size)}`
      : `${count(ok)} of ${count(row.size)} reach ${name(end)}`
  const lines = [...groups].map(([key, names]) => {
    const style = key.startsWith('✗') ? 'bad' : 'good'
    return `  ${paint(style, key)}, ${count(names.length)}: ${some(names)}`
  })
  return [paint('title', title), ...lines].join('\n')
}

/** One cell. */
export function cellText({ reach, name, paint }: MatrixText, from: string, to: string): string {
  const cell = reach.cell(from, to)
  const pair = `${name(from)} -> ${name(to)}`
  if (cell.ok) return `${pair} ${paint('good', 'works')}, ttl ${cell.ttl}`
  const says = cell.code === undefined ? '' : `: ${REASONS[cell.code].says}`
  return `${pair} ${paint('bad', `fails, ${cell.code}`)}${says}\n  why: --why ${from} ${to}`
}

/** What a plan changes. */
export function changeText({ name, paint }: MatrixText, change: Change): string {
  const { opened, closed, otherwise, gone, fresh } = change
  const total = opened + closed + otherwise
  const title = `+${count(opened)} ordered pairs become reachable, -${count(closed)} no longer`
  const lines = changedPairs(change, CHANGES).map(({ from, to, before, after }) => {
    const sign = after.ok ? paint('good', '+') : before.ok ? paint('bad', '-') : '~'
    const was = before.ok ? 'worked' : `was ${before.code}`
    const is = after.ok ? '' : `: ${after.code}`
    return `  ${sign} ${name(from)} -> ${name(to)}${is} (${was})`
  })
  return [
    paint('title', title),
    ...lines,
    ...(total > lines.length ? [`  and ${count(total - lines.length)} more`] : []),
    ...(otherwise > 0 ? [`  ${count(otherwise)} pairs fail for another reason than before`] : []),
    ...(gone.length > 0 ? [`  no longer an endpoint: ${some(gone.map(name))}`] : []),
    ...(fresh.length > 0 ? [`  new: ${some(fresh.map(name))}`] : []),
  ].join('\n')
}
