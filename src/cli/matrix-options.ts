/** What `lanyard matrix` can be told. */
import type { Assume } from '../explain/beyond.ts'

export interface MatrixCliOptions {
  readonly lab?: string
  readonly set: Readonly<Record<string, string>>
  readonly live?: boolean
  readonly assume?: Assume
  readonly 6?: boolean
  readonly from?: string
  readonly to?: string
  readonly why?: readonly string[]
  readonly plan?: string
  readonly json?: boolean
  readonly csv?: boolean
}
