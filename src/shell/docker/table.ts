/** Tables, moments and templates as the docker client prints them. */
import { ToolExit } from '../arguments.ts'

/** text/tabwriter of Go, as the client sets it: 10 wide at least, 3 apart, the last as it is. */
export function dockerTable(rows: readonly (readonly string[])[]): string {
  const columns = rows[0]?.length ?? 0
  const widths = Array.from({ length: columns }, (_, n) =>
    Math.max(10, ...rows.map((row) => (row[n] ?? '').length + 3)),
  )
  return rows
    .map((row) => {
      const cells = row.map((cell, n) =>
        n === columns - 1 ? cell : cell + ' '.repeat((widths[n] ?? 0) - cell.length),
      )
      return `${cells.join('')}\n`
    })
    .join('')
}

/** HumanDuration() of docker/go-units. */
export function ago(ns: number): string {
  const seconds = Math.floor(ns / 1e9)
  if (seconds < 1) return 'Less than a second'
  if (seconds === 1) return '1 second'
  if (seconds < 60) return `${seconds} seconds`
  const minutes = Math.floor(seconds / 60)
  if (minutes === 1) return 'About a minute'
  if (minutes < 60) return `${minutes} minutes`
  const hours = Math.floor(minutes / 60 + 0.5)
  if (hours === 1) return 'About an hour'
  if (hours < 48) return `${hours} hours`
  return `${Math.floor(hours / 24)} days`
}

/**
 * `--format`: fields, `json`, `range`, as text/template reads them; the rest of that language says
 * that it is not here.
 */
export function dockerTemplate(format: string, value: unknown): string {
  const pieces = format
    .replaceAll('\\t', '\t')
    .replaceAll('\\n', '\n')
    .split(/\{\{(.*?)\}\}/)
  const reader = { pieces, at: 0 }
  return `${render(reader, value)}\n`
}

interface Reader {
  readonly pieces: readonly string[]
  at: number
}

function render(reader: Reader, value: unknown): string {
  let out = ''
  for (; reader.at < reader.pieces.length; reader.at++) {
    const piece = reader.pieces[reader.at] as string
    if (reader.at % 2 === 0) {
      out += piece
      continue
    }
    const action = piece.trim()
    if (action === 'end') return out
    if (!action.startsWith('range ')) {
      out += evaluate(action, value)
      continue
    }
    const list = field(action.slice(6).trim(), value)
    const items = typeof list === 'object' && list !== null ? Object.values(list) : []
    const start = ++reader.at
    if (items.length === 0) render(reader, {})
    for (const item of items) {
      reader.at = start
      out += render(reader, item)
    }
  }
  return out
}

function evaluate(action: string, value: unknown): string {
  const [first = '', ...pipes] = action.split('|').map((p) => p.trim())
  const json = first.startsWith('json ') || pipes.includes('json')
  if (pipes.some((p) => p !== 'json')) notHere(action)
  const path = first.replace(/^json /, '')
  if (!path.startsWith('.')) notHere(action)
  const found = field(path, value)
  if (json) return JSON.stringify(found ?? null)
  if (found === undefined) return '<no value>'
  return typeof found === 'string' ? found : JSON.stringify(found)
}

function field(path: string, value: unknown): unknown {
  let at = value
  for (const name of path.split('.').filter((n) => n !== '')) {
    if (typeof at !== 'object' || at === null) return undefined
    at = (at as Readonly<Record<string, unknown>>)[name]
  }
  return at
}

function notHere(action: string): never {
  const text = `lanyard: "{{${action}}}" in --format is not part of this shell yet\n`
  throw new ToolExit(127, text)
}

/** Four spaces, as Docker indents. */
export const dockerJson = (value: unknown): string => `${JSON.stringify(value, null, 4)}\n`
