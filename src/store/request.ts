/**
 * What may be asked of a store: the limits that hold for every engine, so that what works on the
 * embedded file works on an etcd cluster too.
 */
import { LanyardError } from '../errors.ts'
import type { Transaction } from './store.ts'

/** Conditions, writes and reads of a transaction, each (etcd's `--max-txn-ops`). */
export const TRANSACTION_OPS = 128
/** Characters of a key; LMDB's limit is 1,978 bytes. */
export const KEY_LENGTH = 1024
/** Characters of all values of a transaction; etcd's `--max-request-bytes` is 1.5 MiB. */
export const VALUES_LENGTH = 1024 * 1024
/** Entries of a page when nobody says how many. */
export const PAGE_LIMIT = 1000

const KEY = /^[!-~]+$/

const refuse = (why: string): LanyardError => new LanyardError('store-request-invalid', { why })

/** @throws LanyardError `store-request-invalid` */
export function checkKey(key: string): void {
  if (key === '') throw refuse('a key is empty')
  checkPrefix(key)
}

/**
 * A prefix may be empty: all keys.
 * @throws LanyardError `store-request-invalid`
 */
export function checkPrefix(prefix: string): void {
  if (prefix === '') return
  if (prefix.length > KEY_LENGTH)
    throw refuse(`a key has ${prefix.length} characters, at most ${KEY_LENGTH}`)
  if (!KEY.test(prefix)) throw refuse(`key "${prefix}" has characters outside of printable ASCII`)
}

/** @throws LanyardError `store-request-invalid` */
export function checkTransaction(transaction: Transaction): void {
  const { when, then, otherwise = [] } = transaction
  for (const [what, list] of Object.entries({ conditions: when, writes: then, reads: otherwise }))
    if (list.length > TRANSACTION_OPS)
      throw refuse(`a transaction has ${list.length} ${what}, at most ${TRANSACTION_OPS}`)
  for (const condition of when) checkKey(condition.key)
  for (const key of otherwise) checkKey(key)
  const written = new Set<string>()
  let length = 0
  for (const write of then) {
    const key = 'put' in write ? write.put : write.delete
    checkKey(key)
    if (written.has(key)) throw refuse(`key "${key}" is written twice in one transaction`)
    written.add(key)
    if (!('put' in write)) continue
    length += write.value.length
    if (write.ttlSeconds !== undefined && !(write.ttlSeconds > 0))
      throw refuse(`key "${key}" is to go after ${write.ttlSeconds} seconds`)
  }
  if (length > VALUES_LENGTH)
    throw refuse(`the values of a transaction have ${length} characters, at most ${VALUES_LENGTH}`)
}
