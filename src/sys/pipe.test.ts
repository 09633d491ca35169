import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, readSync, rmSync, statSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeFifo, openPipe } from './pipe.ts'
import { openPty, setWindowSize } from './pty.ts'

test.skipIf(process.platform !== 'linux')('openPipe(): what goes in comes out', () => {
  const { read, write } = openPipe()
  writeSync(write, 'abc')
  closeSync(write)
  const bytes = Buffer.alloc(8)
  expect(readSync(read, bytes)).toBe(3)
  expect(readSync(read, bytes)).toBe(0)
  closeSync(read)
})

test.skipIf(process.platform !== 'linux')('makeFifo() makes one, once', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lanyard-fifo-'))
  try {
    const path = join(folder, 'bell')
    makeFifo(path, 0o600)
    expect(statSync(path).isFIFO()).toBe(true)
    expect(() => makeFifo(path, 0o600)).toThrow(`mkfifo ${path}: File exists (EEXIST)`)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test.skipIf(process.platform !== 'linux')('openPty(): a terminal of that size', () => {
  const { master, slave } = openPty({ columns: 97, rows: 31 })
  try {
    const size = (): string =>
      execFileSync('stty', ['size'], { stdio: [slave, 'pipe', 'inherit'], encoding: 'utf8' })
    expect(size()).toBe('31 97\n')
    setWindowSize(master, { columns: 40, rows: 12 })
    expect(size()).toBe('12 40\n')
  } finally {
    closeSync(slave)
    closeSync(master)
  }
})
