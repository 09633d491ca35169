/** What went wrong with an etcd, in our words: whether it was done, and what would mend it. */
import { type ServiceError, status } from '@grpc/grpc-js'
import { LanyardError } from '../errors.ts'

/** What a failed call means for whoever made it. */
export interface Verdict {
  /**
   * `again`: it was not done and may be elsewhere or later; `elsewhere`: it was not done and no
   * waiting changes that, but another member may do it; `token`: it was not done, our token is
   * no longer good; `lease`: it was not done, the lease of a ttl is gone; `unknown`: nobody knows;
   * `no`: it was not done and never will be.
   */
  readonly means: 'again' | 'elsewhere' | 'token' | 'lease' | 'unknown' | 'no'
  readonly error: LanyardError
}

/** Failures before the request was put on the wire, as grpc-js words them. */
const UNSENT = /^No connection established|Waiting for LB pick|^Name resolution failed/
/** Answers of a server that dropped the request before proposing it. */
const DROPPED = /no leader|too many requests|not capable/

const TLS =
  /certificate|self.signed|altname|wrong version number|SSL|TLS|handshake|CERT_|disconnected before secure/i

/**
 * Of those, what one side said of the other's certificate. A handshake that merely broke off is not
 * among them: a server that is killed breaks it off, too.
 */
const DISTRUST = /certificate|self.signed|altname|wrong version number|alert unknown ca/i

export function judge(error: unknown, store: string, prefix: string): Verdict {
  const { code, details = String(error) } = error as Partial<ServiceError>
  const why = sentence(details)
  const cause = { cause: error }
  const unavailable = (mend?: string): LanyardError =>
    new LanyardError(
      'store-unavailable',
      mend === undefined ? { store, why } : { store, why, mend },
      cause,
    )
  const denied = (text: string, mend: string): Verdict => ({
    means: 'no',
    error: new LanyardError('store-denied', { store, why: text, mend }, cause),
  })
  if (details.includes('invalid auth token') || details.includes('auth store is old'))
    return { means: 'token', error: unavailable() }
  if (code === status.PERMISSION_DENIED)
    return denied(
      `the user may not read and write what is under ${prefix}`,
      `give its role the right: etcdctl role grant-permission ROLE readwrite --prefix ${prefix}`,
    )
  if (details.includes('invalid user ID or password'))
    return denied('user or password is wrong', 'see "user" and "password_file" in the store file')
  if (details.includes('user name is empty'))
    return denied('it wants a user and a password', 'name both in a store file (--store FILE)')
  if (details.includes('authentication is not enabled'))
    return denied('a user was named, and it knows no users', 'leave user and password out')
  if (details.includes('requested lease not found')) return { means: 'lease', error: unavailable() }
  if (details.includes('database space exceeded') || details.includes('no space left'))
    return {
      means: 'no',
      error: new LanyardError(
        'store-full',
        {
          store,
          why,
          mend: 'compact and defragment it ("etcdctl compact", "etcdctl defrag"), then "etcdctl alarm disarm"',
        },
        cause,
      ),
    }
  if (code === status.INVALID_ARGUMENT || code === status.OUT_OF_RANGE)
    return { means: 'no', error: new LanyardError('store-request-invalid', { why }, cause) }
  if (UNSENT.test(details))
    return {
      means: DISTRUST.test(details) ? 'elsewhere' : 'again',
      error: TLS.test(details)
        ? unavailable(
            'look at "ca", "cert" and "key" in the store file, and at what the server asks',
          )
        : unavailable('start it, or name another endpoint (--store etcd://HOST:2379,HOST:2379)'),
    }
  if (DROPPED.test(details)) return { means: 'again', error: unavailable() }
  return { means: 'unknown', error: unavailable() }
}

const ALERT = 'it refuses our certificate (TLS alert "$1")'

/** One line, without what grpc-js adds for its own developers. */
function sentence(details: string): string {
  const text = details
    .replace(/^No connection established\. Last error: /, '')
    .replace(/^Deadline exceeded after ([0-9.]+)s.*$/s, 'no answer within $1 s')
    .replace(/^Error: /, '')
    .replace(/^.*alert ([a-z ]*(?:certificate|unknown ca)[a-z ]*):.*$/s, ALERT)
    .replace(/^Failed to connect \(.*\)$/s, 'it closed the connection at once')
    .replace(/\. Resolution note:.*$/s, '')
    .replace(/^(?:etcdserver: )+/, '')
  return (text.split('\n')[0] ?? text).trim()
}
