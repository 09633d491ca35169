/**
 * Impairments of a cable: what each does to frames, in one direction. Refusals and values read off
 * Linux 6.1; times are only ever looked at from below.
 */
import { expect } from 'vitest'
import type { Netem } from '../../src/fabric/netem.ts'
import type { Op } from '../../src/fabric/plan.ts'
import { cableOps, LAN4, netnsOps } from '../lan.ts'
import { type Bench, conforms } from './suite.ts'

/** Two hosts on one cable, which know each other: eth0 of a, p of b. */
async function pair({ fabric, ns, build }: Bench): Promise<{ a: string; b: string }> {
  const [a, b] = [ns('a'), ns('b')]
  const host = (netns: string, link: string, last: number): Op[] => [
    { do: 'address.add', netns, link, address: { address: LAN4 + last, length: 24 } },
    { do: 'link.set', netns, name: link, up: true },
  ]
  const [cable] = cableOps({
    sw: b,
    port: 'p',
    netns: a,
    portMac: 0x020000000d01,
    mac: 0x020000000b01,
  })
  await build(
    netnsOps(a, { ip6: false }),
    netnsOps(b, { ip6: false }),
    cable === undefined ? [] : [cable],
    host(a, 'eth0', 1),
    host(b, 'p', 2),
  )
  await fabric.settle({ netns: [a, b] })
  expect(await outcome({ fabric }, a, 2)).toBe('reply')
  return { a, b }
}

async function outcome(
  { fabric }: Pick<Bench, 'fabric'>,
  from: string,
  last: number,
  timeoutMs = 5000,
): Promise<string> {
  const [result] = await fabric.probe([{ protocol: 'icmp', from, to: LAN4 + last, timeoutMs }])
  return result?.outcome ?? 'none'
}

const add = (netns: string, netem: Netem, link = 'eth0'): Op => ({
  do: 'qdisc.add',
  netns,
  link,
  netem,
})

conforms(
  'netem: a delay is waited for at least, in one direction as in the other',
  async (bench) => {
    const { a, b } = await pair(bench)
    const rtt = async (): Promise<number> => {
      const [result] = await bench.fabric.probe([
        { protocol: 'icmp', from: a, to: LAN4 + 2, timeoutMs: 20_000 },
      ])
      return result?.outcome === 'reply' ? result.rttNs : -1
    }
    await bench.build(add(a, { delayNs: 60_000_000 }))
    expect(await rtt()).toBeGreaterThanOrEqual(60e6)
    await bench.build(add(b, { delayNs: 80_000_000 }, 'p'))
    expect(await rtt()).toBeGreaterThanOrEqual(140e6)
    // Jitter as large as the delay may take all of it away, and never more.
    await bench.build({
      do: 'qdisc.change',
      netns: a,
      link: 'eth0',
      netem: { delayNs: 60_000_000, jitterNs: 60_000_000 },
    })
    expect(await rtt()).toBeGreaterThanOrEqual(80e6)
  },
  'netem',
)

conforms(
  'netem: loss of everything stops frames, in its own direction alone',
  async (bench) => {
    const { a, b } = await pair(bench)
    const seen: string[] = []
    const port = await bench.fabric.openPort(b, 'p', ({ type, bytes }) => {
      if (bytes[23] === 1) seen.push(`${type} ${bytes[34]}`)
    })
    await bench.build(add(b, { lossPercent: 100 }, 'p'))
    expect(await outcome(bench, a, 2, 2000)).toBe('timeout')
    // The request came; what the discipline drops no capture sees.
    expect(seen).toEqual(['host 8'])
    await bench.build({ do: 'qdisc.del', netns: b, link: 'p' }, add(a, { lossPercent: 100 }))
    seen.length = 0
    expect(await outcome(bench, a, 2, 2000)).toBe('timeout')
    expect(seen).toEqual([])
    await bench.build({ do: 'qdisc.del', netns: a, link: 'eth0' })
    expect(await outcome(bench, a, 2)).toBe('reply')
    port.close()
  },
  'netem',
)

conforms(
  'netem: duplication of everything doubles it; of both, one is lost',
  async (bench) => {
    const { a, b } = await pair(bench)
    const seen: number[] = []
    const port = await bench.fabric.openPort(b, 'p', ({ type, bytes }) => {
      if (type === 'host' && bytes[23] === 1) seen.push(bytes[41] ?? 0)
    })
    const send = async (): Promise<number[]> => {
      seen.length = 0
      await bench.fabric.probe(
        [1, 2, 3].map((sequence) => ({
          protocol: 'icmp' as const,
          from: a,
          to: LAN4 + 2,
          sequence,
          timeoutMs: 5000,
        })),
        { sequential: true },
      )
      await bench.fabric.clock.sleep(500)
      return seen
    }
    await bench.build(add(a, { duplicatePercent: 100 }))
    expect(await send()).toEqual([1, 1, 2, 2, 3, 3])
    const netem: Netem = { duplicatePercent: 100, lossPercent: 100 }
    await bench.build({ do: 'qdisc.change', netns: a, link: 'eth0', netem })
    expect(await send()).toEqual([1, 2, 3])
    port.close()
  },
  'netem',
)

conforms(
  'netem: what is reordered does not wait, and a rate is kept to',
  async (bench) => {
    const { a } = await pair(bench)
    await bench.build(add(a, { delayNs: 60_000_000_000, reorderPercent: 100 }))
    expect(await outcome(bench, a, 2, 20_000)).toBe('reply')
    await bench.build(
      { do: 'qdisc.del', netns: a, link: 'eth0' },
      // 98 bytes at 980 bytes per second: 100 ms
      add(a, { rateBits: 7840 }),
    )
    const [result] = await bench.fabric.probe([
      { protocol: 'icmp', from: a, to: LAN4 + 2, timeoutMs: 20_000 },
    ])
    expect(result?.outcome === 'reply' ? result.rttNs : -1).toBeGreaterThanOrEqual(100e6)
  },
  'netem',
)

conforms(
  'netem: a link that goes down and up again keeps its impairment',
  async (bench) => {
    const { a, b } = await pair(bench)
    const set = (up: boolean): Op => ({ do: 'link.set', netns: a, name: 'eth0', up })
    await bench.build(add(a, { lossPercent: 100 }), set(false), set(true))
    await bench.fabric.settle({ netns: [a, b] })
    expect(await outcome(bench, a, 2, 2000)).toMatch(/^(timeout|icmp-error)$/)
    // What still waits for an answer to a lost request might give up before its next one.
    await bench.build(
      { do: 'qdisc.del', netns: a, link: 'eth0' },
      { do: 'neighbour.flush', netns: a },
    )
    expect(await outcome(bench, a, 2)).toBe('reply')
  },
  'netem',
)

conforms(
  'netem: refusals, and what is read back',
  async (bench) => {
    const { a } = await pair(bench)
    const at = { netns: a, link: 'eth0' }
    const answers = await bench.fabric.apply(
      [
        { do: 'qdisc.del', ...at },
        { do: 'qdisc.change', ...at, netem: { lossPercent: 1 } },
        add(a, {
          delayNs: 100_000_000,
          jitterNs: 10_000_000,
          lossPercent: 5,
          duplicatePercent: 1,
          reorderPercent: 25,
          rateBits: 10_000_000,
          limit: 50,
        }),
        add(a, { lossPercent: 1 }),
        { do: 'qdisc.del', netns: a, link: 'none' },
      ],
      { keepGoing: true },
    )
    expect(answers.map((o) => (o.ok ? 'ok' : `${o.errno} ${o.extack ?? '-'}`))).toEqual([
      'ENOENT Cannot delete qdisc with handle of zero',
      'ENOENT Qdisc not found. To create specify NLM_F_CREATE flag',
      'ok',
      'EEXIST Exclusivity flag on, cannot modify',
      'ENODEV -',
    ])
    const read = async (): Promise<unknown> => {
      const { netns } = await bench.fabric.snapshot({ netns: [a], parts: [] })
      const link = netns[0]?.links.find((l) => l.name === 'eth0')
      return [link?.qdisc, link?.netem]
    }
    expect(await read()).toEqual([
      'netem',
      {
        delayNs: 100_000_000,
        jitterNs: 10_000_000,
        lossPercent: 5,
        duplicatePercent: 1,
        reorderPercent: 25,
        rateBits: 10_000_000,
        limit: 50,
      },
    ])
    // A rate that is not named stays.
    await bench.build({ do: 'qdisc.replace', ...at, netem: { lossPercent: 33.3 } })
    expect(await read()).toEqual(['netem', { lossPercent: 33.3, rateBits: 10_000_000 }])
    await bench.build({ do: 'qdisc.del', ...at })
    expect(await read()).toEqual(['noqueue', undefined])
  },
  'netem',
)
