/** The error thrown for a failed system call. */
import { errnoCode, errnoName, errnoText } from '../errno.ts'

/**
 * A system call failed.
 *
 * @example
 * ```ts
 * new SysError('setns', 1).message // setns: Operation not permitted (EPERM)
 * ```
 */
export class SysError extends Error {
  override readonly name = 'SysError'
  /** The call that failed, perhaps with what it was about. */
  readonly call: string
  /** `EPERM`, ... */
  readonly errno: string
  /** Its number. */
  readonly code: number

  constructor(call: string, code: number, options?: { readonly cause?: unknown }) {
    super(`${call}: ${errnoText(code)} (${errnoName(code)})`, options)
    this.call = call
    this.code = code
    this.errno = errnoName(code)
  }
}

/**
 * The errno name an error carries: a {@link SysError}'s or LanyardError's, or Node's own `code`.
 */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  if ('errno' in error && typeof error.errno === 'string') return error.errno
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** A `node:fs` error as a {@link SysError}; anything else comes back as it is. */
export function asSysError(call: string, error: unknown): unknown {
  const code = errnoCode(errnoOf(error) ?? '')
  return code === undefined ? error : new SysError(call, code, { cause: error })
}
