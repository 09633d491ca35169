/** An error as an answer: the table's status, and a body that names the code. */
import { LanyardError } from '../errors.ts'
import { toJson } from './codec.ts'
import type { FailureJson } from './schema.ts'

export interface Failure {
  readonly status: number
  readonly body: FailureJson
}

/**
 * The answer to a request that failed. What is no LanyardError is a defect: the client is told its
 * message and the request's id, the log the rest. Of several failures of one teardown the first
 * leads, and the others' sentences follow.
 */
export function failureOf(error: unknown, request: string): Failure {
  if (error instanceof AggregateError && error.errors.length > 0) {
    const all = error.errors.map((one) => failureOf(one, request))
    const [first] = all as [Failure, ...Failure[]]
    return {
      ...first,
      body: { ...first.body, message: all.map((one) => one.body.message).join('; and ') },
    }
  }
  if (!(error instanceof LanyardError)) {
    const what = error instanceof Error ? error.message : String(error)
    return failureOf(new LanyardError('defect', { what, request }), request)
  }
  const { code, message, mend, errno, status } = error
  const detail = JSON.parse(toJson(error.detail)) as Record<string, unknown>
  return { status, body: { code, message, mend, errno, detail, request } }
}

/** The error an answer stands for; undefined when its code is of another version. */
export function errorOf(body: FailureJson): LanyardError | undefined {
  try {
    // The detail is what the daemon made the error with, but for integers of 128 bits.
    const error = new LanyardError(body.code as never, body.detail as never)
    if (error.message !== body.message) error.message = body.message
    return error
  } catch {
    return undefined
  }
}
