import { execFileSync } from 'node:child_process'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { describeKernel } from '../../test/describe-kernel.ts'
import { parseIp } from '../addr/ip.ts'
import type { FabricEvent } from '../fabric/fabric.ts'
import { createNetns, deleteNetns } from './netns.ts'
import { watchNetns } from './watch.ts'

const A = 'sysk-w'
const ip = (...args: string[]): void => {
  execFileSync('ip', ['-n', A, ...args])
}

/** Events until one fits, those before it included. */
function listen(): {
  events: FabricEvent[]
  until(fits: (e: FabricEvent) => boolean): Promise<void>
  close(): void
} {
  const events: FabricEvent[] = []
  let check: () => void = () => undefined
  const watch = watchNetns(A, (event) => {
    events.push(event)
    check()
  })
  return {
    events,
    close: () => watch.close(),
    until: (fits) =>
      new Promise((resolve) => {
        check = () => {
          if (events.some(fits)) resolve()
        }
        check()
      }),
  }
}

describeKernel('watchNetns()', () => {
  beforeEach(() => createNetns(A))
  afterEach(() => deleteNetns(A))

  test('watchNetns() tells links, addresses, routes and neighbours as they come and go', async () => {
    ip('link', 'add', 'v', 'type', 'veth', 'peer', 'name', 'w')
    const heard = listen()
    ip('link', 'set', 'v', 'up')
    ip('link', 'set', 'w', 'up')
    ip('addr', 'add', '10.0.0.1/24', 'dev', 'v')
    ip('addr', 'add', 'fd00::1/64', 'dev', 'v', 'nodad')
    ip('route', 'add', '10.1.0.0/16', 'via', '10.0.0.2')
    ip('neigh', 'add', '10.0.0.2', 'lladdr', '02:00:00:00:00:02', 'dev', 'v')
    ip('link', 'set', 'w', 'name', 'x')
    ip('addr', 'del', '10.0.0.1/24', 'dev', 'v')
    ip('link', 'del', 'v')
    await heard.until((e) => e.what === 'link' && e.change === 'del' && e.name === 'v')
    const about = (wanted: object): boolean =>
      heard.events.some((e) => {
        try {
          expect(e).toMatchObject(wanted)
          return true
        } catch {
          return false
        }
      })
    const address = parseIp('10.0.0.1')
    for (const wanted of [
      { what: 'link', change: 'new', netns: A, name: 'v', up: true, carrier: true },
      { what: 'address', change: 'new', link: 'v', ip: address },
      { what: 'address', change: 'new', link: 'v', ip: parseIp('fd00::1') },
      { what: 'route', change: 'new', link: 'v', ip: parseIp('10.1.0.0') },
      { what: 'neighbour', change: 'new', link: 'v', ip: parseIp('10.0.0.2') },
      { what: 'link', change: 'new', name: 'x' },
      { what: 'address', change: 'del', link: 'v', ip: address },
      { what: 'link', change: 'del', name: 'x' },
    ]) {
      expect(
        about(wanted),
        JSON.stringify(wanted, (_, v) => String(v)),
      ).toBe(true)
    }
    heard.close()
    const count = heard.events.length
    ip('link', 'set', 'lo', 'up')
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(heard.events.length).toBe(count)
  })

  test('watchNetns() does not take a port leaving its bridge for the end of the link', async () => {
    ip('link', 'add', 'v', 'type', 'veth', 'peer', 'name', 'w')
    ip('link', 'add', 'sw0', 'type', 'bridge')
    ip('link', 'set', 'v', 'master', 'sw0')
    const heard = listen()
    ip('link', 'set', 'v', 'nomaster')
    ip('link', 'add', 'last', 'type', 'bridge')
    await heard.until((e) => e.what === 'link' && e.name === 'last')
    expect(heard.events.filter((e) => e.what === 'link' && e.change === 'del')).toEqual([])
    heard.close()
  })

  test('watchNetns() says overrun when the kernel had to drop events, and goes on', async () => {
    ip('link', 'set', 'lo', 'up')
    const heard = listen()
    // A message holds 768 bytes or more of the 16 MiB a buffer of 8 MiB may take.
    const COUNT = 25_000
    const lines = Array.from(
      { length: COUNT },
      (_, i) => `route add 10.${i >> 16}.${(i >> 8) & 255}.${i & 255} dev lo`,
    )
    // One child, and this thread waits for it: nobody reads meanwhile.
    execFileSync('ip', ['-n', A, '-batch', '-'], { input: `${lines.join('\n')}\n` })
    await heard.until((e) => e.what === 'overrun')
    ip('link', 'add', 'sw0', 'type', 'bridge')
    await heard.until((e) => e.what === 'link' && e.name === 'sw0')
    heard.close()
  })
})
