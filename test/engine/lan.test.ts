/** Two that ask one LAN for one address at the same moment, in the simulator. */
import { expect, test } from 'vitest'
import { Lan, type LanLink } from '../../src/engine/lan.ts'
import { openSim } from '../../src/sim/fabric.ts'
import type { Bench } from '../conformance/suite.ts'
import { LAN4 } from '../lan.ts'
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
