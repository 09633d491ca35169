/** Matrix variables: the combinations of a lab, and `${variable}` replaced by its value. */
import { evaluate, truth, unknownVariable, type Value, type Variables } from './expression.ts'
import type { LabFile } from './schema.ts'
import type { LabSource, Path } from './source.ts'

const WHOLE = /^\$\{(\w+)\}$/
const PART = /\$\{(\w+)\}/g

/** Every combination of the matrix, the last variable turning fastest; one empty one without. */
export function combinations(matrix: Readonly<Record<string, readonly Value[]>>): Variables[] {
  let all: Variables[] = [{}]
  for (const [name, values] of Object.entries(matrix)) {
    all = all.flatMap((combination) => values.map((value) => ({ ...combination, [name]: value })))
  }
  return all
}

/** The combinations a lab runs: those of its matrix that no `unless` leaves out. */
export function wantedCombinations(source: LabSource, file: LabFile): Variables[] {
  const conditions = typeof file.unless === 'string' ? [file.unless] : (file.unless ?? [])
  return combinations(file.matrix ?? {}).filter((variables) =>
    conditions.every((condition, i) => {
      const result = evaluate(condition, variables)
      if (!result.ok) {
        source.problem(
          typeof file.unless === 'string' ? ['unless'] : ['unless', i],
          result.sentence,
        )
      }
      return !result.ok || !truth(result.value)
    }),
  )
}

/** A copy of a value with its variables replaced; `"${hairpin}"` alone keeps its type. */
export function substitute(
  source: LabSource,
  value: unknown,
  variables: Variables,
  path: Path = [],
): unknown {
  if (typeof value === 'string') return substituteText(source, value, variables, path)
  if (Array.isArray(value)) {
    return value.map((item, i) => substitute(source, item, variables, [...path, i]))
  }
  if (typeof value !== 'object' || value === null) return value
  const copy: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) {
    copy[key] =
      key === 'matrix' && path.length === 0
        ? item
        : substitute(source, item, variables, [...path, key])
  }
  return copy
}

function substituteText(source: LabSource, text: string, variables: Variables, path: Path): Value {
  const look = (name: string): Value => {
    const value = Object.hasOwn(variables, name) ? variables[name] : undefined
    if (value === undefined) source.problem(path, unknownVariable(name, variables))
    return value ?? `\${${name}}`
  }
  const whole = WHOLE.exec(text)?.[1]
  if (whole !== undefined) return look(whole)
  return text.replace(PART, (_all, name: string) => String(look(name)))
}

/** `mode=vepa hairpin=true`; empty without a matrix. */
export function formatVariables(variables: Variables): string {
  return Object.entries(variables)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(' ')
}
