import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { leaveSettling, settleLab } from './lab-settle.ts'

let folder: string
const wait = vi.fn(() => Promise.resolve())
const note = (): string => join(folder, 'lab', 'settling')

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lanyard-settle-'))
  mkdirSync(join(folder, 'lab'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('settleLab() waits once, for what is left, for the namespaces of the lab', async () => {
  leaveSettling('lab', ['lab-a', 'lab-b'], folder)
  await new Promise((resolve) => setTimeout(resolve, 30))
  await settleLab('lab', folder, wait)
  await settleLab('lab', folder, wait)
  expect(wait.mock.calls).toEqual([[['lab-a', 'lab-b'], expect.any(Number), true]])
  const [[, leftMs]] = wait.mock.calls as unknown as [[unknown, number]]
  expect(leftMs).toBeGreaterThan(0)
  expect(leftMs).toBeLessThan(4980)
  expect(existsSync(note())).toBe(false)
})

test.each([
  ['is over', { untilMs: 1, namespaces: ['x'] }, []],
  ['lies', { untilMs: 1e15, namespaces: ['x'] }, [[['x'], 5000, true]]],
])('a note whose time %s', async (_, text, calls) => {
  wait.mockClear()
  writeFileSync(note(), JSON.stringify(text))
  await settleLab('lab', folder, wait)
  expect(wait.mock.calls).toEqual(calls)
  expect(existsSync(note())).toBe(false)
})

test('a note that was torn is none', async () => {
  wait.mockClear()
  writeFileSync(note(), '{"unt')
  await settleLab('lab', folder, wait)
  expect(wait).not.toHaveBeenCalled()
})
