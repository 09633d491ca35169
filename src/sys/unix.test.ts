import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SysError } from './errno.ts'
import { tryLockFile } from './lock.ts'
import { AF_UNIX, bindSocket, closeFd, openSocket, receiveFrom, SOCK_DGRAM } from './socket.ts'
import { peerOf, sendUnixDatagram } from './unix.ts'

function inFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'unix-'))
  try {
    return work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

test('peerOf() tells process, user and groups of whoever connected', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'unix-')), 's')
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(path, resolve))
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
  const client = connect(path)
  const socket = (await accepted) as unknown as { _handle: { fd: number }; destroy(): void }
  const peer = peerOf(socket._handle.fd)
  expect([peer.pid, peer.uid, peer.gids[0]]).toEqual([
    process.pid,
    process.geteuid?.(),
    process.getegid?.(),
  ])
  expect(new Set(peer.gids)).toEqual(
    new Set([process.getegid?.(), ...(process.getgroups?.() ?? [])]),
  )
  client.destroy()
  socket.destroy()
  await new Promise((resolve) => server.close(resolve))
  expect(() => peerOf(-1)).toThrow(SysError)
})

test('sendUnixDatagram() reaches paths and abstract names, and tells when nobody is there', () => {
  for (const kind of ['path', 'abstract']) {
    inFolder((folder) => {
      const name = kind === 'path' ? join(folder, 'n') : `@lanyard-${process.pid}`
      const address = Buffer.from(`\x01\0${kind === 'path' ? `${name}\0` : `\0${name.slice(1)}`}`)
      const fd = openSocket(AF_UNIX, SOCK_DGRAM, 0)
      bindSocket(fd, address)
      sendUnixDatagram(name, 'READY=1')
      const buffer = new Uint8Array(64)
      const length = receiveFrom(fd, buffer) ?? 0
      expect(new TextDecoder().decode(buffer.subarray(0, length))).toBe('READY=1')
      closeFd(fd)
    })
  }
  expect(() => sendUnixDatagram('/run/nowhere.sock', 'x')).toThrow(/nowhere.sock.*ENOENT/)
})

test('tryLockFile() lets one in alone or many together', () => {
  inFolder((folder) => {
    const path = join(folder, 'lock')
    const alone = tryLockFile(path, 'exclusive')
    expect(tryLockFile(path, 'exclusive')).toBeUndefined()
    expect(tryLockFile(path, 'shared')).toBeUndefined()
    alone?.release()
    const one = tryLockFile(path, 'shared')
    const two = tryLockFile(path, 'shared')
    expect(two).toBeDefined()
    expect(tryLockFile(path, 'exclusive')).toBeUndefined()
    one?.release()
    two?.release()
    expect(tryLockFile(path, 'exclusive')).toBeDefined()
    expect(() => tryLockFile(join(folder, 'no', 'lock'), 'shared')).toThrow(SysError)
  })
})
