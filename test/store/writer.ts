/**
 * A process that writes to an LMDB store until it is killed or the disk is full: each number goes
 * to the store, and to stdout once the store has answered.
 */
import { writeSync } from 'node:fs'
import { LanyardError } from '../../src/errors.ts'
import { openLmdbStore } from '../../src/store/lmdb.ts'

const [path = '', padding = '0'] = process.argv.slice(2)
const store = await openLmdbStore(path)
const value = 'x'.repeat(Number(padding))
try {
  for (let i = 0; ; i++) {
    const key = `w/${process.pid}/${i}`
    const other = `v/${process.pid}/${i}`
    const then = [key, other].map((put) => ({ put, value }))
    const { done } = await store.transact({ when: [{ key, is: 'absent' }], then })
    if (!done) throw new Error(`${key} was there`)
    writeSync(1, `${key}\n`)
  }
} catch (error) {
  if (!(error instanceof LanyardError)) throw error
  // What was answered is still there, and can be read.
  const page = await store.range(`w/${process.pid}/`, { limit: 100_000 })
  writeSync(1, `${error.code} ${page.entries.length}\n`)
}
