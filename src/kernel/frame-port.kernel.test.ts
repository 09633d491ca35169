import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeKernel } from '../../test/describe-kernel.ts'
import type { CapturedFrame } from '../fabric/fabric.ts'
import { kernelClock } from './clock.ts'
import { openFramePort } from './frame-port.ts'
import { createNetns, deleteNetns } from './netns.ts'

const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8' })
const A = 'sysk-fa'
const B = 'sysk-fb'

/** dst, src, whatever follows: hex with spaces. */
const bytes = (hex: string): Uint8Array =>
  Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
const hex = (frame: Uint8Array): string => Buffer.from(frame).toString('hex')

/** What a port saw, and a wait for so many frames. */
function catcher(): {
  frames: CapturedFrame[]
  see: (f: CapturedFrame) => void
  upTo(n: number): Promise<void>
} {
  const frames: CapturedFrame[] = []
  let check: () => void = () => undefined
  return {
    frames,
    see: (frame) => {
      frames.push(frame)
      check()
    },
    upTo: (n) =>
      new Promise((resolve) => {
        check = () => {
          if (frames.length >= n) resolve()
        }
        check()
      }),
  }
}

describeKernel('openFramePort()', () => {
  beforeAll(() => {
    for (const name of [A, B]) createNetns(name)
    ip(
      '-n',
      A,
      'link',
      'add',
      'v',
      'address',
      '02:00:00:00:00:0a',
      'type',
      'veth',
      'peer',
      'name',
      'w',
      'address',
      '02:00:00:00:00:0b',
      'netns',
      B,
    )
    // IPv6 would talk by itself.
    for (const [n, link] of [
      [A, 'v'],
      [B, 'w'],
    ] as const) {
      execFileSync('ip', [
        'netns',
        'exec',
        n,
        'sysctl',
        '-qw',
        `net.ipv6.conf.${link}.disable_ipv6=1`,
      ])
      ip('-n', n, 'link', 'set', link, 'up')
      ip('-n', n, 'link', 'set', 'lo', 'up')
    }
  })
  afterAll(() => {
    for (const name of [A, B]) deleteNetns(name)
  })

  test('openFramePort() sends and sees frames with their type, time and VLAN tags in place', async () => {
    const [left, right] = [catcher(), catcher()]
    const a = openFramePort(A, 'v', left.see)
    const b = openFramePort(B, 'w', right.see)
    const sent = [
      `02000000000b 02000000000a 88b5 ${'01'.repeat(46)}`,
      `ffffffffffff 02000000000a 88b5 ${'02'.repeat(46)}`,
      `01005e000001 02000000000a 88b5 ${'03'.repeat(46)}`,
      `02000000000c 02000000000a 88b5 ${'04'.repeat(46)}`,
      `02000000000b 02000000000a 8100 6064 88b5 ${'05'.repeat(46)}`,
      `02000000000b 02000000000a 88a8 00c8 8100 0064 88b5 ${'06'.repeat(46)}`,
    ].map(bytes)
    const before = kernelClock.nowNs()
    for (const frame of sent) a.send(frame)
    await right.upTo(sent.length)
    expect(right.frames.map((f) => f.type)).toEqual([
      'host',
      'broadcast',
      'multicast',
      'otherhost',
      'host',
      'host',
    ])
    expect(right.frames.map((f) => hex(f.bytes))).toEqual(sent.map(hex))
    for (const { timeNs } of right.frames) {
      expect(timeNs).toBeGreaterThan(before - 1e5)
      expect(timeNs).toBeLessThan(kernelClock.nowNs() + 1e5)
    }
    // Its own frames a port does not see; another one on the link does, as they leave.
    expect(left.frames).toEqual([])
    const second = catcher()
    const watcher = openFramePort(A, 'v', second.see)
    a.send(sent[0] as Uint8Array)
    await second.upTo(1)
    expect(second.frames[0]?.type).toBe('outgoing')
    for (const port of [a, b, watcher]) port.close()
    a.close()
  })

  test('openFramePort() with an etherType sees that type alone, and only what comes in', async () => {
    const [arp, all] = [catcher(), catcher()]
    const ports = [
      openFramePort(B, 'w', arp.see, { etherType: 0x0806 }),
      openFramePort(B, 'w', all.see),
    ]
    const a = openFramePort(A, 'v', () => undefined)
    a.send(bytes(`ffffffffffff 02000000000a 88b5 ${'00'.repeat(46)}`))
    a.send(bytes(`ffffffffffff 02000000000a 0806 ${'00'.repeat(46)}`))
    await all.upTo(2)
    await arp.upTo(1)
    expect(arp.frames.length).toBe(1)
    for (const port of [a, ...ports]) port.close()
  })

  test('openFramePort() shows a frame on lo once', async () => {
    const lo = catcher()
    const port = openFramePort(A, 'lo', lo.see)
    execFileSync('ip', ['netns', 'exec', A, 'ping', '-c1', '-W1', '127.0.0.1'])
    await lo.upTo(2)
    expect(lo.frames.length).toBe(2)
    expect(lo.frames.map((f) => f.type)).toEqual(['host', 'host'])
    port.close()
  })

  test('openFramePort() keeps all frames of a burst', async () => {
    const right = catcher()
    const a = openFramePort(A, 'v', () => undefined)
    const b = openFramePort(B, 'w', right.see)
    for (let i = 0; i < 2000; i++) {
      a.send(bytes(`02000000000b 02000000000a 88b5 ${i.toString(16).padStart(92, '0')}`))
    }
    await right.upTo(2000)
    expect(hex(right.frames[1999]?.bytes ?? new Uint8Array())).toMatch(/07cf$/)
    a.close()
    b.close()
  })

  test('openFramePort() survives its link going down, and send says so', async () => {
    const right = catcher()
    const a = openFramePort(A, 'v', () => undefined)
    const b = openFramePort(B, 'w', right.see)
    ip('-n', B, 'link', 'set', 'w', 'down')
    const frame = bytes(`02000000000b 02000000000a 88b5 ${'00'.repeat(46)}`)
    expect(() => {
      b.send(frame)
    }).toThrow(expect.objectContaining({ errno: 'ENETDOWN' }))
    await kernelClock.sleep(20)
    ip('-n', B, 'link', 'set', 'w', 'up')
    await kernelClock.sleep(20)
    a.send(frame)
    await right.upTo(1)
    a.close()
    b.close()
  })

  test('openFramePort() names the link that is missing', () => {
    expect(() => openFramePort(A, 'nosuch', () => undefined)).toThrow(
      expect.objectContaining({ code: 'link-missing' }),
    )
  })
})
