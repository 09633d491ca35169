/** What the readers of foreign YAML files share: shapes, variables, names a lab can have. */
import type * as z from 'zod/mini'
import { LabSource, type Path } from '../source.ts'
import type { Draft, Place } from './draft.ts'

/** What whoever imports can choose. */
export interface ImportOptions {
  /** Name of the lab; default: that of the file. */
  readonly name?: string
  /** Values of the variables a file may hold as `${NAME}`. */
  readonly set: Readonly<Record<string, string>>
}

const VARIABLE = /\$(?:\$|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-?+])([^}]*))?\})/g

/**
 * A YAML file with its variables put in, as the shell's `${NAME}`, `${NAME:-default}` and `$$`.
 * Values come from the options alone: the same file gives the same lab on every machine.
 *
 * @throws LanyardError `lab-invalid` for a file that is no YAML, or a variable without a value
 */
export function openForeign(file: string, text: string, { set }: ImportOptions): LabSource {
  const missing: { readonly name: string; readonly line: number }[] = []
  const lines = text.split('\n').map((line, i) => {
    if (/^\s*#/.test(line)) return line
    return line.replace(
      VARIABLE,
      (all, plain?: string, braced?: string, how?: string, word = '') => {
        const name = plain ?? braced
        if (name === undefined) return '$'
        const value = set[name]
        const given = value !== undefined && !(how?.startsWith(':') === true && value === '')
        if (how?.endsWith('+') === true) return given ? word : ''
        if (given) return value
        if (how?.endsWith('-') === true) return word
        missing.push({ name, line: i + 1 })
        return all
      },
    )
  })
  const source = new LabSource(file, lines.join('\n'), { merge: true })
  for (const { name, line } of missing) {
    source.problemAtLine(
      line,
      `the variable ${name} has no value: give it with --set ${name}=VALUE`,
    )
  }
  source.check()
  return source
}

/**
 * The value of a file in the shape it must have to be read.
 *
 * @throws LanyardError `lab-invalid` with what does not fit
 */
export function shaped<S extends z.ZodMiniType>(
  source: LabSource,
  schema: S,
  what: string,
): z.infer<S> {
  if (typeof source.value !== 'object' || source.value === null) {
    source.problem([], what)
    source.check()
  }
  const result = schema.safeParse(source.value)
  if (!result.success) {
    for (const issue of result.error.issues) {
      source.problem(issue.path as unknown as Path, issue.message)
    }
  }
  source.check()
  return result.data as z.infer<S>
}

/** Where a value of a foreign YAML file stands, by its key. */
export function placeIn(source: LabSource, path: Path): Place {
  return { file: source.file, line: Math.max(1, source.lineOf(path, 'key')) }
}

/** Says which keys of a mapping are not carried, on one line. */
export function noteKeys(
  draft: Draft,
  source: LabSource,
  path: Path,
  known: readonly string[],
  { what, why }: { readonly what: string; readonly why: string },
): void {
  let value: unknown = source.value
  for (const key of path) value = (value as Readonly<Record<string, unknown>> | undefined)?.[key]
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return
  const others = Object.keys(value).filter((key) => !known.includes(key) && !key.startsWith('x-'))
  const [first] = others
  if (first === undefined) return
  draft.note(
    placeIn(source, [...path, first]),
    `${what}: not carried: ${others.join(', ')} (${why})`,
  )
}

/** A name a lab file takes, as like a foreign one as can be, and nobody else's. */
export class Names {
  readonly #taken = new Set<string>(['unplugged'])

  /** @param most letters it may have */
  take(name: string, most = 40): string {
    const like = nameLike(name, most)
    let own = like
    for (let n = 2; this.#taken.has(own); n++) own = `${like.slice(0, most - `-${n}`.length)}-${n}`
    this.#taken.add(own)
    return own
  }
}

/** A name of a lab: a-z first, then a-z, 0-9 and -. */
export function labNameLike(name: string): string {
  const plain = name
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
  return plain === '' ? 'lab' : plain.slice(0, 40)
}

function nameLike(name: string, most: number): string {
  const plain = name.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '')
  return plain === '' ? 'node' : plain.slice(0, most)
}
