import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { lockFolder } from './lab-lock.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lanyard-lock-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const nobody = (): void => undefined

test('whoever comes second waits for the first', async () => {
  const order: string[] = []
  const first = await lockFolder(folder, nobody)
  const second = lockFolder(folder, nobody).then((lock) => {
    order.push('second')
    lock.release()
  })
  await new Promise((resolve) => setTimeout(resolve, 30))
  order.push('first')
  first.release()
  await second
  expect(order).toEqual(['first', 'second'])
})

test('many take turns, one at a time', async () => {
  let inside = 0
  let most = 0
  const turns = Array.from({ length: 20 }, async () => {
    const lock = await lockFolder(folder, nobody)
    most = Math.max(most, ++inside)
    await new Promise((resolve) => setImmediate(resolve))
    inside--
    lock.release()
  })
  await Promise.all(turns)
  expect(most).toBe(1)
})

test.each(['4194304 12345', `${process.pid} 1`, ''])(
  'a lock left by a process that is gone (%j) is taken over',
  async (left) => {
    writeFileSync(join(folder, 'lock'), left)
    const lock = await lockFolder(folder, nobody)
    expect(readFileSync(join(folder, 'lock'), 'utf8')).toMatch(new RegExp(`^${process.pid} `))
    lock.release()
  },
)

test("a folder that is not there is the caller's to explain", async () => {
  await expect(lockFolder(join(folder, 'nope'), nobody)).rejects.toMatchObject({ code: 'ENOENT' })
})
