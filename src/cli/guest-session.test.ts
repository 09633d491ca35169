/** The host's side of a session; the guest's side is played here, on the same folder. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Inbox, Outbox } from './guest-messages.ts'
import { guestGone, isRunning, lastWords, ring, sessionsFolder } from './guest-record.ts'
import { GuestSession } from './guest-session.ts'
import { bootId, startOf } from './lab-records.ts'
import type { GuestRecord, LabInfo } from './lab-state.ts'

describe.skipIf(process.platform !== 'linux')('a session with a guest', () => {
  let guest: GuestRecord
  const events = { onOutput: vi.fn(() => Promise.resolve()), onWait: vi.fn() }
  const request = { do: 'lanyard', args: ['lab', 'test'], cwd: '/', env: {} } as const

  beforeEach(() => {
    const folder = mkdtempSync(join(tmpdir(), 'lanyard-session-'))
    const { pid } = process
    guest = { folder, pid, started: startOf(pid) ?? '', boot: bootId() }
    mkdirSync(sessionsFolder(guest))
    // No pipe, so that what was rung can be read.
    writeFileSync(join(folder, 'bell'), '')
    events.onOutput.mockClear()
  })
  afterEach(() => rmSync(guest.folder, { recursive: true, force: true }))

  const rung = (): string => readFileSync(join(guest.folder, 'bell'), 'utf8').trim()
  const only = (): string =>
    join(sessionsFolder(guest), readdirSync(sessionsFolder(guest))[0] ?? '')

  test('asks, passes on, and ends as the guest says', async () => {
    const session = new GuestSession(guest, request, events)
    const ended = session.end()
    expect(JSON.parse(readFileSync(join(only(), 'request'), 'utf8'))).toEqual(request)
    expect(only().endsWith(rung())).toBe(true)
    expect(session.taken).toBe(false)
    rmSync(join(only(), 'request'))
    expect(session.taken).toBe(true)
    await session.toGuest.send('s', 'SIGINT')
    expect(new Inbox(only(), 'in').look()?.bytes.toString()).toBe('SIGINT')
    const outbox = new Outbox(only(), 'out')
    await outbox.send('o', 'out')
    await outbox.send('r', 'err')
    await outbox.send('x', JSON.stringify({ code: 3, signal: null }))
    expect(await ended).toEqual({ code: 3, signal: null })
    expect(events.onOutput.mock.calls).toEqual([
      ['o', Buffer.from('out')],
      ['r', Buffer.from('err')],
    ])
    expect(readdirSync(sessionsFolder(guest))).toEqual([])
  })

  test('ends when the guest has, with what it said last', async () => {
    const dead = { ...guest, started: '1' }
    const session = new GuestSession(dead, request, events)
    await new Outbox(only(), 'out').send('o', 'last')
    expect(await session.end()).toBeUndefined()
    expect(events.onOutput).toHaveBeenCalledWith('o', Buffer.from('last'))
  })

  test('hangs up what commands left that are gone', () => {
    const lost = join(sessionsFolder(guest), '1-1-abc')
    const half = join(sessionsFolder(guest), '.1-1-def')
    const other = join(sessionsFolder(guest), `${guest.pid}-${guest.started}-abc`)
    for (const folder of [lost, half, other]) mkdirSync(folder)
    const session = new GuestSession(guest, request, events)
    expect(rung()).toBe('-1-1-abc')
    expect(existsSync(half)).toBe(false)
    // Nobody has taken it yet.
    session.hangUp()
    expect(rung()).toMatch(new RegExp(`^-${guest.pid}-${guest.started}-`))
    expect(readdirSync(sessionsFolder(guest)).toSorted()).toEqual(
      ['1-1-abc', `${guest.pid}-${guest.started}-abc`].toSorted(),
    )
  })

  test('a guest is its process, not its number, and of this boot', () => {
    expect(isRunning(guest)).toBe(true)
    expect(isRunning({ ...guest, started: '1' })).toBe(false)
    expect(isRunning({ ...guest, boot: 'another' })).toBe(false)
    expect(isRunning({ ...guest, pid: 0x7fffffff })).toBe(false)
  })

  test('of a guest that is gone there is one sentence', () => {
    const info = {
      lab: 'l',
      file: '/l.yaml',
      guest: { ...guest, started: '1' },
    } as unknown as LabInfo
    writeFileSync(join(guest.folder, 'console'), 'Warning: tempdir /tmp\r\n')
    expect(guestGone(info).message).toBe(
      `lab l is no more: its kernel in User Mode Linux (process ${guest.pid}) has ended`,
    )
    writeFileSync(join(guest.folder, 'console'), 'Kernel panic - not syncing: x\r\n y\nAborted\n')
    expect(guestGone(info).message).toMatch(/; it last said: Kernel panic - not syncing: x$/)
    expect(lastWords('/nowhere')).toBe('')
    const booted = { ...info, guest: { ...guest, boot: 'another' } }
    expect(guestGone(booted).message).toContain('this machine has booted since')
    expect(guestGone(booted).mend).toBe(
      '"lanyard lab down l" takes away what is left, "lanyard lab up /l.yaml --fabric uml" makes it again',
    )
  })

  test('nobody hears the bell of a guest that is gone, and that is no error', () => {
    rmSync(join(guest.folder, 'bell'))
    ring(guest, 'off')
    expect(existsSync(join(guest.folder, 'bell'))).toBe(false)
  })
})
