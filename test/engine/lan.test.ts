/** Two that ask one LAN for one address at the same moment, in the simulator. */
import { expect, test } from 'vitest'
import { Lan, type LanLink } from '../../src/engine/lan.ts'
import { openSim } from '../../src/sim/fabric.ts'
import type { Bench } from '../conformance/suite.ts'
import { LAN4 } from '../lan.ts'
import type { Fabric } from '../../src/fabric/fabric.ts'
import { EngineWorld, HOST_MAC, PEER_MAC } from './world.ts'

test('who shares a store asks for the same, and is no stranger; anybody else is', async () => {
  const sim = openSim({ seed: 1 })
  const bench: Bench = {
    fabric: sim,
    ns: (short) => short,
    build: async (...ops) => void (await sim.apply(ops.flat())),
  }
  await EngineWorld.run(bench, async () => {
    const ask = async (ip: number, marks: readonly [number, number]) => {
      const links: LanLink[] = [
        { name: 'eth0', mac: HOST_MAC },
        { name: 'eth0', mac: PEER_MAC },
      ]
      const lans = ['host', 'peer'].map((host, i) => new Lan(sim, sim.clock, host, marks[i] ?? 0))
      const answers = lans.map((lan, i) => lan.whoHas(links[i] as LanLink, ip))
      const heard = await Promise.all(answers)
      for (const lan of lans) lan.close()
      return heard
    }
    expect(await ask(LAN4 + 70, [0x02aa, 0x02aa])).toEqual([undefined, undefined])
    // Whoever hears it first asks no more.
    expect((await ask(LAN4 + 70, [0x02aa, 0x02bb])).some((mac) => mac !== undefined)).toBe(true)
    // A host's own address is answered for, whoever asks.
    expect(await ask(LAN4 + 1, [0x02aa, 0x02aa])).toEqual([0x020000000b01, 0x020000000b01])
  })
})

test('an announcement goes where its link is now, and ends when there is none', async () => {
  const sim = openSim({ seed: 1 })
  await sim.apply([
    { do: 'netns.add', netns: 'host' },
    { do: 'link.add', netns: 'host', name: 'eth0', spec: { kind: 'dummy' }, up: true },
  ])
  let opened = 0
  const counting: Pick<Fabric, 'openPort'> = {
    openPort: (...asked) => {
      opened++
      return sim.openPort(...asked)
    },
  }
  const lan = new Lan(counting, sim.clock, 'host', 0x02aa)
  // Four speak three times each: of the link as it was, as it was made anew, and when it is gone.
  let asked = 0
  const way = async () => {
    const mac = 1 + Math.floor(asked++ / 4)
    return mac === 3 ? undefined : { link: { name: 'eth0', mac }, wire: { name: 'eth0', mac } }
  }
  await Promise.all([1, 2, 3, 4].map((i) => lan.announce(0x0200 + i, [LAN4 + i], way)))
  expect([asked, opened]).toEqual([12, 2])
  lan.close()
})
