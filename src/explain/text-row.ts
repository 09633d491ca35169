/**
 * What is known of an error text people paste. `<word>` in a text stands for what differs; where a
 * pasted text has it, it is filled into the mends.
 */
import type { ErrorCode } from '../errors.ts'
import type { ReasonCode } from '../fabric/reason.ts'
import type { CauseCode } from './causes.ts'

export interface TextRow {
  readonly texts: readonly string[]
  /** Who says it. */
  readonly from: string
  /** One sentence, in plain words. */
  readonly means: string
  /** Ours for the same: of errors, reasons or causes. */
  readonly codes: readonly (ErrorCode | ReasonCode | CauseCode)[]
  readonly mends: readonly string[]
}
