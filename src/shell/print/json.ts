/** JSON in the two layouts of iproute2 (lib/json_writer.c): on one line, and `-pretty`. */

/** Four blanks a level; what is in a list stands on the line of its bracket. */
export function jsonText(all: readonly object[], pretty: boolean): string {
  return `${pretty ? inner(all, 0) : JSON.stringify(all)}\n`
}

function inner(value: unknown, depth: number): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (Array.isArray(value)) {
    const items = value.map((one) => inner(one, depth + 1))
    return items.length === 0 ? '[ ]' : `[ ${items.join(',')} ]`
  }
  const fields = Object.entries(value)
  if (fields.length === 0) return '{}'
  const pad = '    '.repeat(depth + 1)
  const rows = fields.map(([key, one]) => `${pad}${JSON.stringify(key)}: ${inner(one, depth + 1)}`)
  return `{\n${rows.join(',\n')}\n${'    '.repeat(depth)}}`
}
