import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { SysError } from '../sys/errno.ts'
import { inNamespace, openNamespace } from '../sys/namespace.ts'
import { AF_INET, closeFd, linkIndex, openSocket, SOCK_DGRAM } from '../sys/socket.ts'
import { readSysctl, writeSysctl } from '../sys/sysctl.ts'
import { describeKernel } from '../../test/describe-kernel.ts'
import { createNetns, deleteNetns, hasNetns, inNetns, listNetns, netnsFd } from './netns.ts'
import { openTransport } from './transport.ts'

const A = 'sysk-a'
const B = 'sysk-b'

describeKernel('network namespaces', () => {
  afterEach(() => {
    for (const name of listNetns()) if (name.startsWith('sysk-')) deleteNetns(name)
  })

  test('createNetns() makes what ip netns can enter, and deleteNetns() removes it', () => {
    createNetns(A)
    expect(listNetns()).toContain(A)
    const links = execFileSync('ip', ['-n', A, '-br', 'link'], { encoding: 'utf8' })
    expect(links).toMatch(/^lo\s+DOWN/)
    deleteNetns(A)
    expect(hasNetns(A)).toBe(false)
    expect(spawnSync('ip', ['-n', A, 'link']).status).not.toBe(0)
  })

  test('createNetns() and deleteNetns() deal with namespaces ip netns made', () => {
    execFileSync('ip', ['netns', 'add', A])
    expect(() => createNetns(A)).toThrow(
      expect.objectContaining({ code: 'netns-exists', errno: 'EEXIST' }),
    )
    deleteNetns(A)
    expect(() => deleteNetns(A)).toThrow(expect.objectContaining({ code: 'netns-missing' }))
  })

  test('openNetns() knows a leftover file from a namespace', () => {
    writeFileSync(`/run/netns/${A}`, '', { mode: 0o400 })
    expect(() => inNetns(A, () => 1)).toThrow(expect.objectContaining({ code: 'netns-broken' }))
    deleteNetns(A)
    expect(listNetns()).not.toContain(A)
  })

  test('inNetns() stays inside for the call only, nests, and comes back from a throw', () => {
    createNetns(A)
    createNetns(B)
    const here = () => readlinkSync('/proc/thread-self/ns/net')
    const home = here()
    const seen = inNetns(A, () => {
      const outer = here()
      const inner = inNetns(B, here)
      const own = inNetns('', here)
      return { outer, inner, own, again: here() }
    })
    expect(new Set([home, seen.outer, seen.inner]).size).toBe(3)
    expect(seen.own).toBe(home)
    expect(seen.again).toBe(seen.outer)
    expect(() =>
      inNetns(A, () => {
        throw new Error('inside')
      }),
    ).toThrow('inside')
    expect(here()).toBe(home)
    // oxlint-disable-next-line typescript/require-await -- a promise is what must be refused
    expect(() => inNetns(A, async () => 1)).toThrow(TypeError)
    expect(here()).toBe(home)
  })

  test('writeSysctl() inside a window changes that namespace alone', () => {
    createNetns(A)
    inNetns(A, () => {
      writeSysctl('net.ipv4.ip_default_ttl', '77')
      expect(readSysctl('net.ipv4.ip_default_ttl')).toBe('77')
      expect(readSysctl('net.ipv4.no_such_thing')).toBeUndefined()
      expect(() => {
        writeSysctl('net.ipv4.no_such_thing', '1')
      }).toThrow(expect.objectContaining({ errno: 'ENOENT' }))
      expect(() => {
        writeSysctl('net.ipv4.ip_default_ttl', '999')
      }).toThrow(expect.objectContaining({ errno: 'EINVAL' }))
    })
    expect(readSysctl('net.ipv4.ip_default_ttl')).not.toBe('77')
  })

  test('netnsFd() holds nothing once the turn is over', async () => {
    createNetns(A)
    const before = readdirSync('/proc/self/fd').length
    netnsFd(A)
    netnsFd(A)
    expect(readdirSync('/proc/self/fd').length).toBe(before + 1)
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
    expect(readdirSync('/proc/self/fd').length).toBe(before)
  })

  test('openSocket() inside a namespace sees that namespace', () => {
    createNetns(A)
    execFileSync('ip', ['-n', A, 'link', 'add', 'sysk0', 'type', 'veth', 'peer', 'name', 'sysk1'])
    expect(linkIndex('sysk0')).toBeUndefined()
    const fd = inNetns(A, () => {
      expect(linkIndex('sysk0')).toBeGreaterThan(0)
      return openSocket(AF_INET, SOCK_DGRAM, 0)
    })
    closeFd(fd)
    expect(() => {
      closeFd(fd)
    }).toThrow(expect.objectContaining({ call: 'close', errno: 'EBADF' }))
  })

  test('inNamespace() says EINVAL for what is no network namespace', () => {
    const fd = openNamespace('/proc/self/ns/mnt')
    try {
      expect(() => inNamespace(fd, () => 1)).toThrow(SysError)
    } finally {
      closeFd(fd)
    }
  })

  test('openTransport() answers from inside its namespace', () => {
    createNetns(A)
    const peers = ['type', 'veth', 'peer', 'name']
    for (let i = 0; i < 8; i++) {
      execFileSync('ip', ['-n', A, 'link', 'add', `v${i}`, ...peers, `w${i}`])
    }
    const transport = openTransport(A)
    try {
      transport.send(dumpLinks())
      let links = 0
      for (let bytes = transport.receive(); bytes !== undefined; bytes = transport.receive()) {
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
        for (let at = 0; at < bytes.length; at += (view.getUint32(at, true) + 3) & ~3) {
          if (view.getUint16(at + 4, true) === 16) links++
        }
      }
      expect(links).toBe(17)
    } finally {
      transport.close()
    }
  })
})

/** RTM_GETLINK dump. */
function dumpLinks(): Uint8Array {
  const bytes = new Uint8Array(32)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, 32, true)
  view.setUint16(4, 18, true)
  view.setUint16(6, 0x301, true)
  return bytes
}
