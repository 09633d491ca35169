/** A process killed at every step of every door, and another that comes after it. */
import { expect } from 'vitest'
import { compareIp } from '../../src/addr/ip.ts'
import type { HostEngine } from '../../src/engine/engine.ts'
import { conforms } from '../conformance/suite.ts'
import { EngineWorld } from './world.ts'

/** Ends the "process" at a step: it never gets further. */
function dieAt(step: string): {
  readonly died: Promise<void>
  at(now: string): Promise<void> | void
} {
  let tell = (): void => undefined
  const died = new Promise<void>((resolve) => (tell = resolve))
  return {
    died,
    at(now) {
      if (now !== step) return undefined
      tell()
      return new Promise(() => undefined)
    },
  }
}

/** Store, kernel and answers say the same. */
async function agree(world: EngineWorld, engine: HostEngine): Promise<void> {
  expect(await engine.status()).toEqual([])
  const endpoints = await engine.endpoints()
  const leases = (await engine.leases()).filter((lease) => lease.kind === 'endpoint')
  const held = leases.map((lease) => lease.address)
  expect(new Set(held).size).toBe(held.length)
  const wanted = endpoints.flatMap((one) => one.addresses.map((a) => a.address))
  expect(held.toSorted(compareIp)).toEqual(wanted.toSorted(compareIp))
  for (const name of ['a', 'b']) {
    const { links, addresses, routes } = await world.snapshot(name)
    const mine = endpoints.filter((one) => one.sandbox === world.ns(name))
    expect(links.map((link) => link.name)).toEqual(['lo', ...mine.map((one) => one.link)])
    const inside = addresses.filter((a) => a.scope === 'global').map((a) => a.address)
    expect(inside).toEqual(mine.flatMap((one) => one.addresses))
    const ways = routes.filter((route) => route.to.length === 0).map((route) => route.via)
    expect(ways).toEqual(mine.flatMap((one) => one.gateways))
  }
  const routes = (await world.snapshot('host')).routes.filter((route) => route.to.length === 32)
  const routed = routes.map((route) => route.to.address)
  expect(routed.toSorted(compareIp)).toEqual(wanted.toSorted(compareIp))
}

const STEPS = {
  connect: ['1-record', '2-link', '3-answer'],
  disconnect: ['1-found', '2-record', '3-routes', '4-link', '5-answer'],
} as const

for (const [door, steps] of Object.entries(STEPS)) {
  conforms(`engine: killed at any step of ${door}, the next process mends it`, async (bench) => {
    await EngineWorld.run(bench, async (world) => {
      await world.sandboxes('a', 'b')
      const spec = world.network({ check: 'never' })
      const first = await world.open()
      await first.createNetwork(spec)
      await first.connect(world.request('b'))
      await first.close()
      for (const step of steps) {
        const faults = dieAt(`${door}:${step}`)
        const dying = await world.open({ faults })
        const endpoint = door === 'connect' ? undefined : await dying.connect(world.request('a'))
        const work =
          endpoint === undefined ? dying.connect(world.request('a')) : dying.disconnect('lan', 'a')
        // Either it dies there, or the step is never met and this fails.
        await Promise.race([faults.died, work.then(() => Promise.reject(new Error(`no ${step}`)))])
        world.kill(dying)
        const next = await world.open()
        await agree(world, next)
        const again = await next.connect(world.request('a'))
        if (endpoint !== undefined) expect(again.addresses).toEqual(endpoint.addresses)
        await agree(world, next)
        await next.disconnect('lan', 'a')
        await agree(world, next)
        await next.close()
      }
    })
  })
}

conforms(
  'engine: killed at any step of create and remove, nothing is left behind',
  async (bench) => {
    await EngineWorld.run(bench, async (world) => {
      const bare = world.network()
      for (const step of [
        'create:1-draft',
        'create:2-pools',
        'create:3-links',
        'create:4-record',
      ]) {
        const faults = dieAt(step)
        const dying = await world.open({ faults })
        void dying.createNetwork(bare)
        await faults.died
        world.kill(dying)
        const next = await world.open()
        expect(await next.status()).toEqual([])
        const there = (await next.networks()).map((network) => network.name)
        expect(there).toEqual(step === 'create:4-record' ? ['lan'] : [])
        if (there.length > 0) await next.removeNetwork('lan')
        const { links } = await world.snapshot('host')
        expect(links.map((link) => link.name)).toEqual(['lo', 'eth0'])
        await next.close()
      }
      for (const step of [
        'remove:1-found',
        'remove:2-record',
        'remove:3-links',
        'remove:4-pools',
      ]) {
        const faults = dieAt(step)
        const dying = await world.open({ faults })
        await dying.createNetwork(bare)
        void dying.removeNetwork('lan')
        await faults.died
        world.kill(dying)
        const next = await world.open()
        expect(await next.status()).toEqual([])
        if ((await next.networks()).length > 0) await next.removeNetwork('lan')
        const { links } = await world.snapshot('host')
        expect(links.map((link) => link.name)).toEqual(['lo', 'eth0'])
        await next.close()
      }
    })
  },
)

conforms('engine: a failure at any step of connect is undone wholly', async (bench) => {
  await EngineWorld.run(bench, async (world) => {
    await world.sandboxes('a', 'b')
    for (const step of STEPS.connect) {
      const failure = new Error(`no more at ${step}`)
      const faults = {
        at(now: string) {
          if (now === `connect:${step}`) throw failure
        },
      }
      const engine = await world.open({ faults })
      await engine.createNetwork(world.network({ check: 'never' }))
      await expect(engine.connect(world.request('a'))).rejects.toBe(failure)
      await agree(world, engine)
      expect(await engine.endpoints()).toEqual([])
      await engine.close()
    }
  })
})
