/** A door that asks for an address first and for the endpoint later, as Docker does. */
import { expect, test } from 'vitest'
import type { Ip } from '../../src/addr/ip.ts'
import { LanyardError } from '../../src/errors.ts'
import { openSim } from '../../src/sim/fabric.ts'
import { openMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { LAN4 } from '../lan.ts'
import { EngineWorld } from './world.ts'

/** A store that counts what is written at once, and can refuse what is asked next. */
class Counted {
  transactions = 0
  refuses: (written: readonly string[]) => boolean = () => false
  readonly store: Store

  constructor(inner: Store = openMemoryStore()) {
    this.store = {
      ...inner,
      get: (key) => inner.get(key),
      range: (...args) => inner.range(...args),
      revision: () => inner.revision(),
      watch: (...args) => inner.watch(...args),
      close: () => inner.close(),
      transact: async (asked) => {
        const written = asked.then.map((one) => ('put' in one ? one.put : one.delete))
        if (this.refuses(written))
          throw new LanyardError('store-full', { store: 'disk', why: 'no room' })
        this.transactions++
        return await inner.transact(asked)
      },
    }
  }

  /** How many transactions something took. */
  async of(work: Promise<unknown>): Promise<number> {
    const before = this.transactions
    await work
    return this.transactions - before
  }
}

function onDisk(name: string, body: (world: EngineWorld, disk: Counted) => Promise<void>): void {
  test(name, async () => {
    const sim = openSim({ seed: 3 })
    const bench = {
      fabric: sim,
      ns: (short: string) => short,
      build: async (...ops: Parameters<typeof sim.apply>[0][]) =>
        void (await sim.apply(ops.flat())),
    }
    await EngineWorld.run(bench, (world) => body(world, new Counted()))
  })
}

const wish = { network: 'lan', endpoint: 'one', id: 'e1' } as const

onDisk('each step of a life waits for the disk once', async (world, disk) => {
  await world.sandboxes('a')
  const engine = await world.open({ store: disk.store })
  await engine.createNetwork(world.network())
  const addresses = [LAN4 + 64]
  expect(await disk.of(engine.claim({ network: 'lan', family: 4 }))).toBe(1)
  expect(await engine.leases()).toMatchObject([{ address: LAN4 + 64, kind: 'reservation' }])
  expect(await disk.of(engine.createEndpoint({ ...wish, addresses }))).toBe(1)
  expect(await engine.leases()).toMatchObject([{ address: LAN4 + 64, holder: 'one' }])
  expect(await disk.of(engine.join({ ...wish, sandbox: 'a' }))).toBe(1)
  expect(await disk.of(engine.leave('lan', 'one'))).toBe(1)
  expect(await disk.of(engine.disconnect('lan', 'one'))).toBe(1)
  expect(await engine.leases()).toMatchObject([{ address: LAN4 + 64, kind: 'cooldown' }])
  expect(await engine.endpoints()).toEqual([])
})

onDisk('an endpoint that could not be made leaves the claim where it was', async (world, disk) => {
  const engine = await world.open({ store: disk.store })
  await engine.createNetwork(world.network())
  const address = await engine.claim({ network: 'lan', family: 4 })
  disk.refuses = (written) => written.includes('endpoint/lan/one')
  await expect(engine.createEndpoint({ ...wish, addresses: [address] })).rejects.toMatchObject({
    code: 'store-full',
  })
  disk.refuses = () => false
  expect(await engine.leases()).toMatchObject([{ address, kind: 'reservation' }])
  expect(await engine.createEndpoint({ ...wish, addresses: [address] })).toMatchObject({ id: 'e1' })
})

onDisk(
  'an address that was asked for by number is left alone while another is free',
  async (world) => {
    const engine = await world.open()
    const pools = world.network().pools.map((pool) => ({
      ...pool,
      range: { first: LAN4 + 64, last: LAN4 + 66 },
    }))
    await engine.createNetwork(world.network({ pools }))
    const claim = (changes: object = {}) => engine.claim({ network: 'lan', family: 4, ...changes })
    const address = LAN4 + 65
    expect(await claim({ address })).toBe(address)
    await engine.createEndpoint({ ...wish, addresses: [address] })
    await engine.disconnect('lan', 'one')
    // It rests; then the one who has it is known to be stopped only.
    expect(await claim()).toBe(LAN4 + 64)
    expect(await claim({ avoid: (ip: Ip) => ip === LAN4 + 66 })).toBe(LAN4 + 65)
    await engine.unclaim('lan', LAN4 + 65)
    expect(await claim({ address })).toBe(address)
  },
)

onDisk('what was given to somebody without a name is given to who comes next', async (world) => {
  const engine = await world.open()
  await engine.createNetwork(world.network())
  const address = await engine.claim({ network: 'lan', family: 4 })
  await engine.createEndpoint({ ...wish, addresses: [address] })
  await engine.disconnect('lan', 'one')
  expect(await engine.claim({ network: 'lan', family: 4 })).toBe(address)
})
