import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { describeKernel } from '../../test/describe-kernel.ts'
import { createNetns, deleteNetns, inNetns } from './netns.ts'
import { settleNetns } from './settle.ts'

const A = 'sysk-s'
const ip = (...args: string[]): string =>
  execFileSync('ip', ['-n', A, ...args], { encoding: 'utf8' })

async function took(run: () => Promise<void>): Promise<number> {
  const started = performance.now()
  await run()
  return performance.now() - started
}

describeKernel('settleNetns()', () => {
  beforeEach(() => createNetns(A))
  afterEach(() => deleteNetns(A))

  test('settleNetns() returns at once where nothing moves', async () => {
    ip('link', 'add', 'v', 'type', 'veth', 'peer', 'name', 'w')
    // Up without carrier, an address that stays tentative: nothing will happen by itself.
    ip('link', 'set', 'v', 'up')
    ip('addr', 'add', 'fd00::1/64', 'dev', 'v')
    expect(await took(() => settleNetns([A, '']))).toBeLessThan(4000)
  })

  test('settleNetns() waits for duplicate address detection', async () => {
    ip('link', 'add', 'v', 'type', 'veth', 'peer', 'name', 'w')
    // Five questions, one a second: it still asks however slowly the next lines run.
    for (const level of ['default', 'v', 'w'])
      inNetns(A, () => writeFileSync(`/proc/sys/net/ipv6/conf/${level}/dad_transmits`, '5'))
    ip('link', 'set', 'v', 'up')
    ip('link', 'set', 'w', 'up')
    ip('addr', 'add', 'fd00::1/64', 'dev', 'v')
    expect(ip('-6', 'addr')).toMatch(/tentative/)
    const ms = await took(() => settleNetns([A], 100_000))
    expect(ms).toBeGreaterThan(50)
    expect(ms).toBeLessThan(50_000)
    expect(ip('-6', 'addr')).not.toMatch(/tentative/)
    expect(ip('-br', 'link', 'show', 'dev', 'v')).toMatch(/UP/)
  })

  test('settleNetns() sees bridges and their children all the way up', async () => {
    ip('link', 'add', 'sw0', 'type', 'bridge')
    ip('link', 'add', 'v', 'type', 'veth', 'peer', 'name', 'w')
    ip('link', 'set', 'v', 'master', 'sw0')
    ip('link', 'add', 'mac0', 'link', 'w', 'type', 'macvlan', 'mode', 'bridge')
    for (const link of ['sw0', 'v', 'mac0', 'w']) ip('link', 'set', link, 'up')
    await settleNetns([A])
    const states = ip('-br', 'link')
    for (const link of ['sw0', 'v', 'w', 'mac0'])
      expect(states).toMatch(new RegExp(`^${link}\\S* +UP`, 'm'))
    expect(ip('-6', 'addr')).not.toMatch(/tentative/)
  })

  test('settleNetns() of what may go takes what went for still, and says so otherwise', async () => {
    const gone = 'sysk-gone'
    await settleNetns([A, gone], 1000, true)
    await expect(settleNetns([A, gone], 1000)).rejects.toMatchObject({ code: 'netns-missing' })
  })

  test('settleNetns() gives up at its deadline', async () => {
    ip('link', 'add', 'sw0', 'type', 'bridge', 'stp_state', '1')
    ip('link', 'add', 'v', 'type', 'veth', 'peer', 'name', 'w')
    ip('link', 'set', 'v', 'master', 'sw0')
    for (const link of ['sw0', 'v', 'w']) ip('link', 'set', link, 'up')
    // A busy machine's link watch tells the bridge late that its port has carrier.
    while (!/ state (listening|learning) /.test(ip('-d', 'link', 'show', 'v')))
      await new Promise((resolve) => setTimeout(resolve, 20))
    const ms = await took(() => settleNetns([A], 300))
    // A timer may ring a millisecond early.
    expect(ms).toBeGreaterThanOrEqual(295)
    // Far from the 30 s a spanning tree takes.
    expect(ms).toBeLessThan(20_000)
  })

  test('settleNetns() names a namespace that is not there', async () => {
    await expect(settleNetns(['sysk-nobody'])).rejects.toMatchObject({ code: 'netns-missing' })
  })
})
