/**
 * `--format`: the part of Go's text/template that people use with Docker. Fields (`{{.Name}}`,
 * `{{.IPAM.Driver}}`), `json`, `len`, `index`, `join`, `upper`, `lower`, `println`, pipes, `range`,
 * `if`, `else`, `end`, and `table` in front. Whatever else is refused by name.
 */
import { LanyardError } from '../errors.ts'
import { didYouMean } from '../lab/text.ts'
import { formatTable } from './table.ts'

type Node =
  | { readonly text: string }
  | { readonly print: string }
  | {
      readonly block: 'range' | 'if'
      readonly over: string
      readonly body: readonly Node[]
      readonly otherwise: readonly Node[]
    }

const FUNCTIONS: Readonly<Record<string, (...args: readonly unknown[]) => unknown>> = {
  json: (value) => JSON.stringify(value),
  len: (value) => (typeof value === 'object' && value !== null ? Object.keys(value).length : 0),
  index: (value, ...keys) => keys.reduce((at, key) => child(at, String(key)), value),
  join: (value, glue) => (Array.isArray(value) ? value.map(show).join(show(glue)) : show(value)),
  upper: (value) => show(value).toUpperCase(),
  lower: (value) => show(value).toLowerCase(),
  println: (...values) => `${values.map(show).join(' ')}\n`,
}

/**
 * Prints every item as a template says, a line each.
 *
 * @param format a template, `table TEMPLATE`, or `json`
 * @throws LanyardError `usage`
 * @example
 * ```ts
 * formatItems('{{.Name}}: {{.Driver}}', [{ Name: 'mcv', Driver: 'macvlan' }]) // 'mcv: macvlan\n'
 * ```
 */
export function formatItems(format: string, items: readonly object[]): string {
  if (format === 'json') return items.map((item) => `${JSON.stringify(item)}\n`).join('')
  const table = /^table\s+/.exec(format)?.[0]
  // As a shell passes them on: \t and \n are two characters each.
  const template = format
    .slice(table?.length ?? 0)
    .replaceAll('\\t', '\t')
    .replaceAll('\\n', '\n')
  const nodes = parse(template)
  const lines = items.map((item) => render(nodes, item, item))
  if (table === undefined) return lines.map((line) => `${line}\n`).join('')
  const head = template.replaceAll(/\{\{[^}]*?(\w+)[^\w}]*\}\}/g, (_, name: string) =>
    (HEADS[name] ?? name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ')).toUpperCase(),
  )
  return formatTable(
    head.split('\t'),
    lines.map((line) => line.split('\t')),
  )
}

const HEADS: Readonly<Record<string, string>> = { ID: 'network id' }

const refuse = (sentence: string): LanyardError =>
  new LanyardError('usage', { sentence, help: 'lanyard network ls --help' })

function parse(template: string): readonly Node[] {
  const parts = template.split(/\{\{-?\s*(.*?)\s*-?\}\}/s)
  let at = 0
  const block = (inside: boolean): { nodes: Node[]; ended: 'end' | 'else' | undefined } => {
    const nodes: Node[] = []
    for (; at < parts.length; at++) {
      const part = parts[at] ?? ''
      if (at % 2 === 0) {
        if (part.includes('{{')) throw refuse(`template: "${part}" is not closed by "}}"`)
        if (part !== '') nodes.push({ text: part })
        continue
      }
      const [, word, over = ''] = /^(range|if|else|end)\b\s*(.*)$/s.exec(part) ?? []
      if (word === 'end' || word === 'else') {
        if (!inside) throw refuse(`template: "${part}" without a beginning`)
        at++
        return { nodes, ended: word }
      }
      if (word === undefined) nodes.push({ print: part })
      else {
        at++
        const body = block(true)
        const otherwise = body.ended === 'else' ? block(true) : undefined
        if ((otherwise ?? body).ended !== 'end')
          throw refuse(`template: {{${part}}} has no {{end}}`)
        nodes.push({
          block: word as 'range' | 'if',
          over,
          body: body.nodes,
          otherwise: otherwise?.nodes ?? [],
        })
        at--
      }
    }
    return { nodes, ended: undefined }
  }
  return block(false).nodes
}

function render(nodes: readonly Node[], dot: unknown, root: unknown): string {
  return nodes
    .map((node): string => {
      if ('text' in node) return node.text
      if ('print' in node) return show(evaluate(node.print, dot, root))
      const value = evaluate(node.over, dot, root)
      if (node.block === 'if') return render(truth(value) ? node.body : node.otherwise, dot, root)
      const items = typeof value === 'object' && value !== null ? Object.values(value) : []
      if (items.length === 0) return render(node.otherwise, dot, root)
      return items.map((item) => render(node.body, item, root)).join('')
    })
    .join('')
}

/** `.A.B`, `f x y`, `x | f`. */
function evaluate(text: string, dot: unknown, root: unknown): unknown {
  let result: unknown
  for (const [i, stage] of text.split(/\s*\|\s*(?=(?:[^"]*"[^"]*")*[^"]*$)/).entries()) {
    const words = stage.match(/"(?:[^"\\]|\\.)*"|[^\s"]+/g) ?? []
    const values = words.map((word, k) =>
      k === 0 && word in FUNCTIONS ? undefined : operand(word, dot, root),
    )
    const call = FUNCTIONS[words[0] ?? '']
    const piped = i === 0 ? [] : [result]
    if (call === undefined) {
      if (words.length !== 1 || i > 0) throw refuse(`template: cannot work out {{${text}}}`)
      result = values[0]
    } else result = call(...values.slice(1), ...piped)
  }
  return result
}

function operand(word: string, dot: unknown, root: unknown): unknown {
  if (word.startsWith('"')) return JSON.parse(word) as unknown
  if (/^-?\d+$/.test(word)) return Number(word)
  const [, from, rest = ''] = /^(\$?)\.?(.*)$/s.exec(word) ?? []
  if (!/^[.$]/.test(word)) {
    const near = didYouMean(word, [...Object.keys(FUNCTIONS), 'range', 'if'])
    throw refuse(`template: function "${word}" not defined${near}`)
  }
  const keys = rest.split('.').filter((key) => key !== '')
  return keys.reduce(child, from === '$' ? root : dot)
}

/** A key of an object; one it cannot have is named. */
function child(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  if (Object.hasOwn(value, key)) return (value as Record<string, unknown>)[key]
  const keys = Object.keys(value)
  // Only things with fields of their own have a wrong one; maps of users' keys just lack it.
  if (!keys.includes('Name')) return undefined
  throw refuse(`template: there is no field .${key}${didYouMean(key, keys)}: ${keys.join(', ')}`)
}

function truth(value: unknown): boolean {
  return typeof value === 'object' && value !== null
    ? Object.keys(value).length > 0
    : Boolean(value)
}

function show(value: unknown): string {
  if (value === undefined || value === null) return ''
  if (typeof value === 'string') return value
  if (typeof value !== 'object') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(show).join(' ')}]`
  return `map[${Object.entries(value)
    .map(([key, item]) => `${key}:${show(item)}`)
    .join(' ')}]`
}
