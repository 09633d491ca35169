import type { Assume } from '../explain/beyond.ts'

/** What `lanyard matrix` can be told. */
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
