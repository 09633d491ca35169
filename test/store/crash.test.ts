/** What the store on disk answered, it has: after kill -9, and when the disk is full. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openLmdbStore } from '../../src/store/lmdb.ts'
import { ROOT } from '../support/program.ts'

/**
 * Starts a writer and kills it so long after its first answer. @returns the keys it was answered
 */
function writeAndDie(path: string, afterMs: number): Promise<string[]> {
  const run = [join(ROOT, 'scripts/run.mjs'), 'test/store/writer.ts', path, '300']
  const child = spawn(process.execPath, run, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    if (text === '') setTimeout(() => child.kill('SIGKILL'), afterMs)
    text += part
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    // The last line may be cut short; it was answered all the same, but we cannot read it.
    child.on('close', () => resolve(text.split('\n').slice(0, -1)))
  })
}

test('openLmdbStore() has all it answered to processes that were killed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lanyard-crash-'))
  const path = join(folder, 'store.lmdb')
  try {
    const answered: string[] = []
    for (const ms of [1, 17, 60]) {
      const lists = await Promise.all([writeAndDie(path, ms), writeAndDie(path, ms * 2)])
      for (const list of lists) {
        expect(list.length).toBeGreaterThan(0)
        answered.push(...list)
      }
    }
    const store = await openLmdbStore(path)
    const all = { limit: 1_000_000 }
    const stored = (await store.range('w/', all)).entries.map((e) => e.key)
    const missing = new Set(answered)
    for (const key of stored) missing.delete(key)
    expect([...missing]).toEqual([])
    // Each transaction is whole: one revision, both keys.
    const twins = (await store.range('v/', all)).entries.map((e) => e.key.replace('v', 'w'))
    expect(twins).toEqual(stored)
    expect(await store.revision()).toBe(stored.length)
    await store.close()
  } finally {
    rmSync(folder, { recursive: true })
  }
}, 60_000)
