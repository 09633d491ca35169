/** openLmdbStore() on files that are damaged, somebody else's, or out of reach. */
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
  closeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'lmdb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LanyardError } from '../errors.ts'
import { findDamage } from './lmdb-check.ts'
import { openLmdbStore } from './lmdb.ts'

const folder = mkdtempSync(join(tmpdir(), 'lanyard-damage-'))
const whole = join(folder, 'whole.lmdb')
let count = 0

beforeAll(async () => {
  const store = await openLmdbStore(whole)
  for (let i = 0; i < 300; i++) {
    const value = 'x'.repeat(i % 50 === 0 ? 9000 : 100)
    await store.transact({ when: [], then: [{ put: `k/${i}`, value }] })
  }
  await store.close()
})
afterAll(() => rmSync(folder, { recursive: true }))

const copy = (): string => {
  const path = join(folder, `copy-${count++}.lmdb`)
  copyFileSync(whole, path)
  return path
}

async function why(path: string): Promise<string> {
  try {
    await (await openLmdbStore(path)).close()
    return 'opened'
  } catch (error) {
    return error instanceof LanyardError ? `${error.code}: ${error.message}` : String(error)
  }
}

/** Refused as corrupt, and not a byte of it is another afterwards. */
async function refused(path: string): Promise<string> {
  const before = readFileSync(path)
  const said = await why(path)
  expect(said).toContain('store-corrupt')
  expect(readFileSync(path).equals(before)).toBe(true)
  return said
}

test('openLmdbStore() finds a whole file whole, and what is in it', async () => {
  const path = copy()
  expect(findDamage(path)).toBeUndefined()
  const store = await openLmdbStore(path)
  expect((await store.range('k/')).entries).toHaveLength(300)
  await store.close()
})

test('openLmdbStore() makes a store of an empty file', async () => {
  const path = join(folder, 'sub', 'empty.lmdb')
  mkdirSync(join(folder, 'sub'))
  writeFileSync(path, '')
  expect(await why(path)).toBe('opened')
  expect(await why(path)).toBe('opened')
})

test('openLmdbStore() refuses a file that is something else, and leaves it as it is', async () => {
  const text = join(folder, 'notes.txt')
  writeFileSync(text, 'remember the milk\n'.repeat(1000))
  expect(await refused(text)).toContain('it is not an LMDB file')
  writeFileSync(text, 'short')
  expect(await refused(text)).toContain('it is not an LMDB file')
  expect(await why(folder)).toContain('store-')
})

test('openLmdbStore() refuses the LMDB file of another program, and leaves it as it is', async () => {
  const path = join(folder, 'foreign.lmdb')
  const db = open<string, string>({ path, noSubdir: true, overlappingSync: false })
  await db.put('a', 'b')
  await db.close()
  expect(await refused(path)).toContain('another program keeps its data there')
})

test('openLmdbStore() refuses a file cut short anywhere', async () => {
  const pages = statSync(whole).size / 4096
  for (let keep = 1; keep < pages - 1; keep += Math.ceil(pages / 12)) {
    const path = copy()
    truncateSync(path, keep * 4096)
    await refused(path)
  }
})

test('openLmdbStore() never dies of an overwritten page', async () => {
  const pages = statSync(whole).size / 4096
  let found = 0
  for (let page = 0; page < pages; page += 3) {
    const path = copy()
    const file = openSync(path, 'r+')
    writeSync(file, Buffer.alloc(4096, 0xa5), 0, 4096, page * 4096)
    closeSync(file)
    // A page that is in no tree (free, or of an older state) may hold anything.
    if (findDamage(path) === undefined) continue
    found++
    await refused(path)
  }
  expect(found).toBeGreaterThan(5)
  const longer = copy()
  appendFileSync(longer, Buffer.alloc(8192, 0xa5))
  expect(await why(longer)).toBe('opened')
})

test.skipIf(process.platform !== 'linux')(
  'openLmdbStore() says when it may not, in a sentence',
  async () => {
    const path = '/sys/kernel/lanyard.lmdb'
    expect(await why(path)).toMatch(
      /^store-denied: the store \/sys\/kernel\/lanyard.lmdb may not be opened: E(ACCES|PERM)/,
    )
  },
)
