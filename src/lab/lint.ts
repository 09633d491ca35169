/** Looks through a lab for what is allowed and few mean; nothing is run. */
import type { Variables } from './expression.ts'
import { LINT_RULES, type LintRule, type Rule } from './lint-rules.ts'
import { formatPath, type LabSource } from './source.ts'
import type { Topology } from './topology.ts'

/** Something a rule found, at a place of the file. */
export interface Finding {
  readonly rule: LintRule
  readonly level: Rule['level']
  readonly file: string
  readonly line: number
  readonly column: number
  /** `networks.lan.mode` */
  readonly path: string
  readonly sentence: string
  readonly mend: string
  /** The combinations it was found in; undefined: in all of them. */
  readonly where: readonly Variables[] | undefined
}

/**
 * What the rules find in a lab, in the order of its lines. The same thing in several combinations
 * is one finding. The steps of a lab are not looked at: they are there to change things.
 *
 * @example
 * ```ts
 * const source = new LabSource('lab.yaml', text)
 * lintLab(source, readLab(source)).map((f) => `${f.line}: ${f.sentence}`)
 * ```
 */
export function lintLab(source: LabSource, topologies: readonly Topology[]): Finding[] {
  const found = new Map<string, { readonly finding: Finding; readonly in: Variables[] }>()
  for (const topology of topologies) {
    for (const [rule, { level, mend, find }] of Object.entries(LINT_RULES) as [LintRule, Rule][]) {
      for (const { path, sentence } of find(topology)) {
        const at = source.placeOf(path)
        const { file } = source
        const finding = { rule, level, file, ...at, path: formatPath(path), sentence, mend }
        const key = `${rule} ${at.line}:${at.column} ${sentence}`
        const known = found.get(key) ?? { finding: { ...finding, where: undefined }, in: [] }
        known.in.push(topology.variables)
        found.set(key, known)
      }
    }
  }
  return [...found.values()]
    .map(({ finding, in: where }) => {
      const everywhere = new Set(where).size === topologies.length
      return everywhere ? finding : { ...finding, where: [...new Set(where)] }
    })
    .sort((a, b) => a.line - b.line || a.column - b.column)
}
