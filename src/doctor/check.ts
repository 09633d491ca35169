/** A check: a pure function over facts that finds things. */
import type { Facts } from './facts.ts'

export const SEVERITIES = ['problem', 'warning', 'note', 'good'] as const
/** problem: something does not work; warning: it will, or may; note: good to know. */
export type Severity = (typeof SEVERITIES)[number]

export interface Finding {
  /** Stable, for programs: `parent-bridge-port`. */
  readonly code: string
  readonly severity: Severity
  /** What it is about: a link, a network, an address. */
  readonly subject: string
  /** One sentence. */
  readonly says: string
  /** What to do; empty where nothing is to be done. */
  readonly remedy: readonly string[]
}

export interface Check {
  readonly id: string
  /** What it looks at, in a few words. */
  readonly title: string
  run(facts: Facts): readonly Finding[]
}

/** Makes findings of one check. */
export function finding(
  severity: Severity,
  code: string,
  subject: string,
  says: string,
  ...remedy: readonly string[]
): Finding {
  return { code, severity, subject, says, remedy }
}
