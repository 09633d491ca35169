/** What the functions that resolve a lab share. */
import type { Variables } from './expression.ts'
import type { LabFile } from './schema.ts'
import type { LabSource, Path } from './source.ts'
import { didYouMean, listed } from './text.ts'

/** A file with the values of one combination put in, and where its problems go. */
export interface Resolving {
  readonly source: LabSource
  readonly file: LabFile
  readonly variables: Variables
  /** What a step makes of a lab that runs: links may have gone down meanwhile. */
  readonly running?: boolean
}

/** The namespace that holds the far ends of nics without a cable. */
export const UNPLUGGED = 'unplugged'

/**
 * Reports an unknown name with what there is and the near miss. A name that stands in the file but
 * was left out, for its own mistakes or by its `when`, is another matter.
 */
export function unknownName(
  source: LabSource,
  path: Path,
  what: string,
  name: string,
  names: Iterable<string>,
): void {
  if (SECTIONS.some((section) => isWritten(source, section, name))) return
  const all = [...names]
  const have =
    all.length === 0 ? 'there is none' : `there ${all.length === 1 ? 'is' : 'are'} ${listed(all)}`
  source.problem(path, `there is no ${what} "${name}"${didYouMean(name, all)}: ${have}`)
}

/** The parts of a lab that have names. */
export const SECTIONS = ['switches', 'hosts', 'networks', 'containers'] as const

/** Whether the file has something at a path, good or bad. */
export function isWritten(source: LabSource, ...path: readonly string[]): boolean {
  let value = source.value
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return false
    value = (value as Readonly<Record<string, unknown>>)[key]
  }
  return true
}
