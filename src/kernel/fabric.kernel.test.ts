import { execFileSync, spawnSync } from 'node:child_process'
import { afterEach, expect, test } from 'vitest'
import { describeKernel } from '../../test/describe-kernel.ts'
import { parseIp } from '../addr/ip.ts'
import { parsePrefix } from '../addr/prefix.ts'
import type { CapturedFrame, FabricEvent } from '../fabric/fabric.ts'
import type { Plan } from '../fabric/plan.ts'
import { openKernel } from './fabric.ts'
import { deleteNetns, listNetns } from './netns.ts'

const A = 'sysk-ka'
const B = 'sysk-kb'
const PLAN: Plan = [
  { do: 'netns.add', netns: A },
  { do: 'netns.add', netns: B },
  {
    do: 'link.add',
    netns: A,
    name: 'v',
    up: true,
    spec: { kind: 'veth', peer: { name: 'w', netns: B } },
  },
  { do: 'link.set', netns: B, name: 'w', up: true },
  { do: 'address.add', netns: A, link: 'v', address: parsePrefix('10.0.0.1/24') },
  { do: 'address.add', netns: B, link: 'w', address: parsePrefix('10.0.0.2/24') },
]

describeKernel('KernelFabric', () => {
  afterEach(() => {
    for (const name of listNetns()) if (name.startsWith('sysk-k')) deleteNetns(name)
  })

  test('openKernel() gives a fabric that applies, settles, probes, watches and captures', async () => {
    const fabric = await openKernel()
    await fabric.apply(PLAN)
    await fabric.settle({ netns: [A, B] })
    const events: FabricEvent[] = []
    const frames: CapturedFrame[] = []
    const watch = await fabric.watch([A, B], (event) => events.push(event))
    const port = await fabric.openPort(B, 'w', (frame) => frames.push(frame))
    const [result] = await fabric.probe([
      { protocol: 'icmp', from: A, to: parseIp('10.0.0.2'), size: 100 },
    ])
    expect(result).toMatchObject({ outcome: 'reply', ttl: 64 })
    await fabric.clock.sleep(10)
    expect(frames.some((f) => f.type === 'host' && f.bytes.length === 14 + 20 + 8 + 100)).toBe(true)
    expect(frames.some((f) => f.type === 'outgoing')).toBe(true)
    expect(events.some((e) => e.what === 'neighbour' && e.netns === A)).toBe(true)
    const { netns } = await fabric.snapshot({ netns: [A, B] })
    expect(netns.map((n) => n.name)).toEqual([A, B])
    expect((await fabric.snapshot()).netns.map((n) => n.name)).toEqual(
      expect.arrayContaining(['', A, B]),
    )
    watch.close()
    port.close()
    await fabric.close()
  })

  test('apply() lets go of a namespace it deletes, watched and captured or not', async () => {
    const fabric = await openKernel()
    await fabric.apply(PLAN)
    await fabric.watch([A, B], () => undefined)
    await fabric.openPort(B, 'w', () => undefined)
    await fabric.apply([{ do: 'netns.del', netns: B }])
    // The peer goes when nothing holds the other namespace any more.
    const links = (): string => execFileSync('ip', ['-n', A, 'link'], { encoding: 'utf8' })
    for (let i = 0; i < 100 && links().includes('v@'); i++) await fabric.clock.sleep(20)
    expect(links()).not.toContain('v@')
    await fabric.close()
  })

  test('apply() keeps what is open when a deletion is refused', async () => {
    const fabric = await openKernel()
    await fabric.apply(PLAN)
    const events: FabricEvent[] = []
    await fabric.watch([A], (event) => events.push(event))
    const refused = fabric.apply([
      { do: 'netns.del', netns: 'sysk-knobody' },
      { do: 'netns.del', netns: A },
    ])
    await expect(refused).rejects.toMatchObject({ code: 'op-refused', detail: { index: 0 } })
    await fabric.apply([{ do: 'link.set', netns: A, name: 'lo', up: true }])
    await fabric.clock.sleep(20)
    expect(events.some((e) => e.what === 'link' && e.name === 'lo')).toBe(true)
    await fabric.close()
  })

  test('watch() opens all or none', async () => {
    const fabric = await openKernel()
    await fabric.apply(PLAN)
    await expect(fabric.watch([A, 'sysk-knobody'], () => undefined)).rejects.toMatchObject({
      code: 'netns-missing',
    })
    await fabric.close()
  })

  test('openKernel() says what is missing to an ordinary user', () => {
    const code = execFileSync(
      'node_modules/.bin/esbuild',
      ['--bundle', '--platform=node', '--format=esm', '--packages=external', '--loader=ts'],
      {
        encoding: 'utf8',
        input: `import { openKernel } from './src/kernel/fabric.ts'
          openKernel().catch((e) => console.log(JSON.stringify([e.code, e.message, e.mend])))`,
      },
    )
    // Root without the two: an ordinary user, also where no other user exists (a user namespace).
    const without = '--bounding-set=-net_admin,-sys_admin'
    const said = spawnSync('setpriv', [without, process.execPath, '--input-type=module', '-'], {
      input: code,
      encoding: 'utf8',
    })
    const [errorCode, message, mend] = JSON.parse(said.stdout) as string[]
    expect(errorCode).toBe('needs-root')
    expect(message).toMatch(/CAP_NET_ADMIN and CAP_SYS_ADMIN/)
    expect(mend).toMatch(/--fabric sim/)
  })
})
