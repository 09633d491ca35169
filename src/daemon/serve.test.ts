import { existsSync, linkSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { type Server, createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { ask, memoryLocks, openTestDaemon, type TestDaemon } from '../../test/support/daemon.ts'
import { FakeEngine } from './fake-engine.fixture.ts'
import { openLog } from './log.ts'
import { startDaemon } from './serve.ts'

const open: TestDaemon[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

async function opened(...options: Parameters<typeof openTestDaemon>): Promise<TestDaemon> {
  const daemon = await openTestDaemon(...options)
  open.push(daemon)
  return daemon
}

/** Starts a second daemon where a first one is. */
function second(at: { socket: string; state: string }, tryLock = memoryLocks()) {
  return startDaemon({
    ...at,
    version: '0',
    openEngine: () => Promise.resolve(new FakeEngine()),
    printPlan: () => [],
    tryLock,
    peerOf: () => ({ pid: 1, uid: 0, gids: [0] }),
    log: openLog('error'),
  })
}

test('startDaemon() reconciles, listens, tells the service manager', async () => {
  const told: string[] = []
  const { socket, daemon, engine } = await opened({ notify: (text) => told.push(text) })
  expect(statSync(socket).mode & 0o7777).toBe(0o660)
  expect(told).toEqual([`READY=1\nSTATUS=listening on ${socket}`])
  await daemon.stop()
  expect(told[1]).toBe('STOPPING=1')
  expect([engine.closed, existsSync(socket)]).toEqual([true, false])
})

test('startDaemon() starts though reconciling fails', async () => {
  const engine = new FakeEngine()
  engine.next = new Error('the NIC is not there yet')
  const { socket } = await opened({ openEngine: () => Promise.resolve(engine) })
  expect((await ask(socket, 'GET', '/v1/networks')).status).toBe(200)
})

test('a second daemon is refused by the lock of the socket, then of the state', async () => {
  const tryLock = memoryLocks()
  const { socket, state } = await opened({ tryLock })
  await expect(second({ socket, state }, tryLock)).rejects.toMatchObject({
    code: 'daemon-running',
    message: `socket ${socket} belongs to a daemon that runs as process ${process.pid}`,
  })
  await expect(second({ socket: `${socket}2`, state }, tryLock)).rejects.toMatchObject({
    code: 'daemon-running',
    message: `state ${state} belongs to a daemon that runs as process ${process.pid}`,
  })
  expect(tryLock(`${socket}2.lock`)).toBeDefined()
})

test('a socket without a daemon is taken over; what is none, or listens, is not', async () => {
  const { socket, state } = await opened()
  const folder = join(state, '..')
  const plain = join(folder, 'plain')
  writeFileSync(plain, 'mine')
  await expect(second({ socket: plain, state: join(folder, 's2') })).rejects.toMatchObject({
    code: 'socket-invalid',
    detail: { why: 'something that is no socket is in the way' },
  })
  await expect(second({ socket, state: join(folder, 's3') })).rejects.toMatchObject({
    code: 'socket-invalid',
    detail: { why: 'another program listens there' },
  })
  await expect(
    second({ socket: join(folder, 'x'.repeat(108)), state: join(folder, 's4') }),
  ).rejects.toMatchObject({ code: 'socket-invalid', detail: { why: /107 bytes/ } })
  const stale = join(folder, 'stale')
  await leaveStale(stale)
  const taken = await second({ socket: stale, state: join(folder, 's5') })
  expect((await ask(stale, 'GET', '/v1/version')).status).toBe(200)
  await taken.stop()
})

/** A socket file nobody listens on, as kill -9 leaves it. */
async function leaveStale(path: string): Promise<void> {
  const server: Server = createServer()
  await new Promise<void>((resolve) => server.listen(`${path}.live`, resolve))
  linkSync(`${path}.live`, path)
  await new Promise((resolve) => server.close(resolve))
}

test('whoever is neither root nor in the group is told so, and how to join', async () => {
  // A socket can be given to a group of one's own only.
  const gid = process.getgid?.() ?? 0
  const group = ownGroup(gid)
  const peer = { pid: 7, uid: 4242, gids: [4242] }
  const { socket } = await opened({ peerOf: () => peer, group })
  const reply = await ask(socket, 'GET', '/v1/networks')
  expect(reply.status).toBe(403)
  expect(reply.json).toMatchObject({
    code: 'daemon-forbidden',
    detail: { user: 'user 4242', group: 'lanyard', socket },
  })
  const member = await opened({ peerOf: () => ({ ...peer, gids: [4242, gid] }), group })
  expect((await ask(member.socket, 'GET', '/v1/networks')).status).toBe(200)
})

function ownGroup(gid: number): string {
  const lines = readFileSync('/etc/group', 'utf8').split('\n')
  const name = lines.map((line) => line.split(':')).find((fields) => Number(fields[2]) === gid)?.[0]
  if (name === undefined) throw new Error(`/etc/group has no group ${gid}`)
  return name
}
