/** The contract on an LMDB file. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testStore } from './contract.case.ts'
import { openLmdbStore } from './lmdb.ts'

testStore('openLmdbStore', {
  toldWithinMs: 1000,
  lateMs: 0,
  place: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lanyard-store-'))
    const path = join(folder, 'store.lmdb')
    let now = 1_000_000
    return {
      open: (options) => openLmdbStore(path, { ...options, nowMs: () => now }),
      pass: (ms) => {
        now += ms
      },
      remove: async () => rmSync(folder, { recursive: true }),
    }
  },
})
