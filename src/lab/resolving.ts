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
}

/** The namespace that holds the far ends of nics without a cable. */
export const UNPLUGGED = 'unplugged'

/** Reports an unknown name with what there is and the near miss. */
export function unknownName(
  source: LabSource,
  path: Path,
  what: string,
  name: string,
  names: Iterable<string>,
): void {
  const all = [...names]
  const have =
    all.length === 0 ? 'there is none' : `there ${all.length === 1 ? 'is' : 'are'} ${listed(all)}`
  source.problem(path, `there is no ${what} "${name}"${didYouMean(name, all)}: ${have}`)
}
