/**
 * A store on a disk without room says so, and keeps what it has. Needs root: mounts a small disk.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../support/program.ts'

const root = process.platform === 'linux' && process.getuid?.() === 0
const name = 'openLmdbStore() on a full disk answers store-full and keeps what it answered before'
const skip = !root && process.env['CI'] !== 'true'

test.skipIf(skip)(skip ? `${name} (skipped: not root, and it mounts a disk)` : name, () => {
  const folder = mkdtempSync(join(tmpdir(), 'lanyard-full-'))
  try {
    const script = `mount -t tmpfs -o size=512k none "$1" && exec "$2" "$3" test/store/writer.ts "$1/store.lmdb" 1000`
    const run = ['sh', '-c', script, 'sh', folder, process.execPath, join(ROOT, 'scripts/run.mjs')]
    const ended = spawnSync('unshare', ['-m', ...run], { encoding: 'utf8', timeout: 60_000 })
    const lines = ended.stdout.trimEnd().split('\n')
    // LMDB's binding adds a line of its own.
    expect(ended.stderr.replace(/^Write error: No space left.*\n?/gm, '')).toBe('')
    expect(lines.length).toBeGreaterThan(20)
    expect(lines.at(-1)).toBe(`store-full ${lines.length - 1}`)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
