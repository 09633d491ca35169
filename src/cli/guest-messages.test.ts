import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Inbox, Outbox } from './guest-messages.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lanyard-messages-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** All there is, read. */
function drain(inbox: Inbox): string[] {
  const read: string[] = []
  for (let one = inbox.look(); one !== undefined; one = inbox.look()) {
    read.push(`${one.kind}${one.bytes.toString('latin1')}`)
    inbox.done()
  }
  return read
}

test('messages come in the order they were sent, and leave nothing', async () => {
  let rung = 0
  const outbox = new Outbox(folder, 'in', () => rung++)
  const inbox = new Inbox(folder, 'in')
  expect(inbox.look()).toBeUndefined()
  await Promise.all([outbox.send('d', Buffer.from([0, 255])), outbox.send('s', 'SIGINT')])
  await outbox.send('e')
  expect(outbox.unreadMs()).toBeGreaterThanOrEqual(0)
  expect(drain(inbox)).toEqual(['d\0\xff', 'sSIGINT', 'e'])
  expect(rung).toBe(3)
  expect(outbox.unreadMs()).toBeUndefined()
  expect(readdirSync(folder)).toEqual([])
})

test('what is long is cut, and comes together as it was', async () => {
  const outbox = new Outbox(folder, 'out')
  const inbox = new Inbox(folder, 'out')
  const bytes = Buffer.alloc(150_000, 'abcdefg')
  await outbox.send('o', bytes)
  const parts = drain(inbox)
  expect(parts).toHaveLength(3)
  expect(parts.map((part) => part.slice(1)).join('')).toBe(bytes.toString())
})

test('a sender waits for a reader, and not for one that is gone', async () => {
  const outbox = new Outbox(folder, 'out')
  const inbox = new Inbox(folder, 'out')
  let sent = 0
  const all = Array.from({ length: 40 }, (_, n) => outbox.send('o', `${n}`).then(() => sent++))
  await Promise.all(all.slice(0, 32))
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(sent).toBe(32)
  expect(inbox.look()?.bytes.toString()).toBe('0')
  inbox.done()
  await all[32]
  expect(sent).toBe(33)
  outbox.close()
  await Promise.all(all)
  expect(readdirSync(folder)).toHaveLength(32)
})

test('a folder that is gone takes what is sent, and says nothing', async () => {
  const outbox = new Outbox(folder, 'out')
  rmSync(folder, { recursive: true })
  await outbox.send('o', 'lost')
  await outbox.send('o', 'lost, too')
  expect(existsSync(folder)).toBe(false)
})
