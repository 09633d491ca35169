/**
 * Docker's door on the simulator, with what a real dockerd 20.10 said to a plugin (recorded.json):
 * every request is made twice, as after a lost answer.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { specOfDocker } from '../../src/cli/network-options.ts'
import type { DoorEngine } from '../../src/engine/types.ts'
import { openDockerDoor } from '../../src/plugin/docker/open.ts'
import { openSim } from '../../src/sim/fabric.ts'
import type { Bench } from '../conformance/suite.ts'
import { EngineWorld } from '../engine/world.ts'
import { ask } from '../support/daemon.ts'
import recorded from './recorded.json' with { type: 'json' }

type Json = Record<string, unknown>

let folder: string
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'lanyard-door-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

interface Docker {
  readonly engine: DoorEngine
  readonly world: EngineWorld
  readonly told: readonly string[]
  /** The answer to one request. */
  say(method: string, request: unknown): Promise<Json>
}

/** A door before an engine on a simulated host with a LAN. */
async function onSim(body: (docker: Docker) => Promise<void>): Promise<void> {
  const sim = openSim({ seed: 5 })
  const bench: Bench = {
    fabric: sim,
    ns: (short) => short,
    build: async (...ops) => void (await sim.apply(ops.flat())),
  }
  await EngineWorld.run(bench, async (world) => {
    const engine = await world.open()
    const socket = join(folder, 'd.sock')
    const told: string[] = []
    const door = await openDockerDoor({
      engine,
      readSpec: specOfDocker,
      listen: async (server) =>
        await new Promise((resolve) => server.listen(socket, () => resolve())),
      tell: (sentence) => void told.push(sentence),
      heard: ({ defect }) => expect(defect).toBeUndefined(),
    })
    const say = async (method: string, request: unknown): Promise<Json> => {
      const reply = await ask(socket, 'POST', `/${method}`, JSON.stringify(request))
      const { status, json, headers } = reply
      expect([method, status]).toEqual([method, 200])
      // No connection is closed after a while, under Docker's hands.
      expect(headers['keep-alive']).toBeUndefined()
      return json
    }
    try {
      await body({ engine, world, told, say })
    } finally {
      await door.close()
    }
  })
}

/** Our own words in place of the recorder's. */
function translate(request: unknown, words: ReadonlyMap<string, string>): unknown {
  let text = JSON.stringify(request ?? {})
  for (const [theirs, ours] of words) text = text.replaceAll(`"${theirs}"`, `"${ours}"`)
  return JSON.parse(text)
}

/** What was answered then and what is answered now, as words to replace from now on. */
function learn(words: Map<string, string>, theirs: Json, ours: Json): void {
  for (const [key, value] of Object.entries(theirs)) {
    const mine = ours[key]
    if (typeof value !== 'string' || typeof mine !== 'string') continue
    words.set(value, mine)
    words.set(value.split('/')[0] ?? '', mine.split('/')[0] ?? '')
  }
}

test('a recorded life of two networks, each request twice: all is answered, nothing is left', () =>
  onSim(async ({ engine, say, told }) => {
    const words = new Map([
      ['dkr1', 'eth0'],
      ['dkrlocal', 'lanyard'],
    ])
    for (const { method, request, response } of recorded) {
      const asked = translate(request, words) as Json
      if (method === 'IpamDriver.RequestPool') asked['Options'] = {}
      const first = await say(method, asked)
      expect([method, request, first['Err'] ?? first['Error']]).toEqual([
        method,
        request,
        undefined,
      ])
      const isNew = ['IpamDriver.RequestPool', 'IpamDriver.RequestAddress'].includes(method)
      if (!isNew) expect([method, await say(method, asked)]).toEqual([method, first])
      if (method.startsWith('IpamDriver')) learn(words, response, first)
    }
    expect(await engine.networks()).toEqual([])
    expect(await engine.endpoints()).toEqual([])
    expect((await engine.leases()).filter((lease) => lease.kind !== 'cooldown')).toEqual([])
    expect(told).toHaveLength(1)
  }))

const POOL = { AddressSpace: 'lanyard', SubPool: '', Options: {}, V6: false }
const GATEWAY = { RequestAddressType: 'com.docker.network.gateway' }
const ID = 'ab'.repeat(32)

/** What Docker asks for `network create --subnet 10.9.0.0/24 --gateway 10.9.0.1`. */
async function create(docker: Docker, generic: Json = {}, id = ID): Promise<string> {
  const pool = await docker.say('IpamDriver.RequestPool', { ...POOL, Pool: '10.9.0.0/24' })
  const PoolID = pool['PoolID'] as string
  await docker.say('IpamDriver.RequestAddress', { PoolID, Address: '10.9.0.1', Options: GATEWAY })
  const data = { AddressSpace: 'lanyard', Pool: '10.9.0.0/24', Gateway: '10.9.0.1/24' }
  const made = await docker.say('NetworkDriver.CreateNetwork', {
    NetworkID: id,
    Options: { 'com.docker.network.generic': { parent: 'eth0', ...generic } },
    IPv4Data: [data],
    IPv6Data: [],
  })
  expect(made).toEqual({})
  return PoolID
}

const endpoint = (n: number) => ({ NetworkID: ID, EndpointID: `${n}`.padStart(64, 'e') })

test('addresses: kept while Docker makes up its mind, by name where it says one', () =>
  onSim(async (docker) => {
    const { say, engine } = docker
    const PoolID = await create(docker)
    const address = async (Options: Json = {}, Address = '') =>
      (await say('IpamDriver.RequestAddress', { PoolID, Address, Options }))['Address'] as string
    const name = (text: string) => ({ 'com.docker.network.endpoint.name': text })
    const make = async (n: number, Address: string) =>
      await say('NetworkDriver.CreateEndpoint', { ...endpoint(n), Interface: { Address } })
    const drop = async (n: number, Address: string) => {
      await say('NetworkDriver.DeleteEndpoint', endpoint(n))
      await say('IpamDriver.ReleaseAddress', { PoolID, Address: Address.split('/')[0] })
    }
    const [web, db] = [await address(name('web')), await address(name('db'))]
    expect([web, db]).toEqual(['10.9.0.3/24', '10.9.0.4/24'])
    const made = [await make(1, web), await make(2, db)]
    await drop(1, web)
    await drop(2, db)
    // In the other order, and each has its own again.
    expect([await address(name('db')), await address(name('web'))]).toEqual([db, web])
    expect([await make(3, web), await make(4, db)]).toEqual(made)
    await drop(3, web)
    await drop(4, db)
    // Who says no name gets what was given back last: that is who restarts.
    expect(await address()).toBe(db)
    expect(await say('IpamDriver.RequestAddress', { PoolID, Address: '10.9.0.4' })).toEqual({
      Error: expect.stringMatching(/^Address already in use: 10\.9\.0\.4 is held by reservation/),
    })
    await say('IpamDriver.ReleaseAddress', { PoolID, Address: '10.9.0.4' })
    expect((await engine.leases()).filter((one) => one.kind === 'reservation')).toEqual([])
  }))

test('bad input is one sentence in the key Docker reads', () =>
  onSim(async (docker) => {
    const { say } = docker
    const pool = (words: Json) => say('IpamDriver.RequestPool', { ...POOL, ...words })
    expect(await pool({ Pool: '' })).toEqual({
      Error: 'a network needs the subnet of its LAN: --subnet 192.168.8.0/24',
    })
    expect(await pool({ Pool: '10.9.0.5/24' })).toEqual({
      Error: 'invalid subnet 10.9.0.5/24: it should be 10.9.0.0/24',
    })
    expect(await pool({ Pool: '10.9.0.0/24', SubPool: '10.8.0.0/25' })).toEqual({
      Error: "invalid ip-range 10.8.0.0/25: parent subnet 10.9.0.0/24 doesn't contain ip-range",
    })
    expect(await pool({ Pool: '10.9.0.0/24', Options: { color: 'red' } })).toEqual({
      Error: expect.stringContaining('unknown IPAM option "color"'),
    })
    expect(await say('NetworkDriver.CreateNetwork', { NetworkID: 7 })).toEqual({
      Err: 'NetworkID: Invalid input: expected string, received number',
    })
    expect(await say('IpamDriver.RequestPool', undefined)).toEqual({
      Error: expect.stringMatching(
        /^Docker asked .* second time .*: run the docker command again$/,
      ),
    })
    const alone = (await pool({ Pool: '10.9.0.0/24' }))['PoolID']
    expect(await say('IpamDriver.RequestAddress', { PoolID: alone })).toEqual({
      Error: expect.stringContaining('"--ipam-driver lanyard" goes with "-d lanyard"'),
    })
    const join = { ...endpoint(1), SandboxKey: '/run/docker/netns/none' }
    expect(await say('NetworkDriver.Join', join)).toEqual({
      Err: 'network abababababab not found: there is none yet',
    })
    await create(docker)
    expect(await say('NetworkDriver.Join', join)).toEqual({
      Err: 'network abababababab has no endpoint eeeeeeeeeeee',
    })
    const mac = { Interface: { Address: '10.9.0.7/24', MacAddress: '01:00:00:00:00:01' } }
    expect(await say('NetworkDriver.CreateEndpoint', { ...endpoint(1), ...mac })).toEqual({
      Err: expect.stringContaining('is a group address'),
    })
    const odd = { Interface: { Address: '10.9.0.7/24' }, Options: { ifnam: 'x' } }
    expect(await say('NetworkDriver.CreateEndpoint', { ...endpoint(1), ...odd })).toEqual({
      Err: 'unknown driver option "ifnam" of an endpoint: there is ifname, mac',
    })
  }))

test('a daemon that comes back knows all that was answered, and mends what Docker forgot', () =>
  onSim(async (docker) => {
    const { say, world, engine } = docker
    const PoolID = await create(docker, { fast: 'false' })
    const { Address } = await say('IpamDriver.RequestAddress', { PoolID })
    await say('NetworkDriver.CreateEndpoint', { ...endpoint(1), Interface: { Address } })
    const join = { ...endpoint(1), SandboxKey: '/run/docker/netns/none' }
    const joined = await say('NetworkDriver.Join', join)
    expect(joined).toEqual({
      InterfaceName: { SrcName: expect.stringMatching(/^lh-/), DstPrefix: 'eth' },
      Gateway: '10.9.0.1',
      DisableGatewayService: true,
    })
    expect(await engine.reconcile()).toEqual([])
    expect(await say('NetworkDriver.Join', join)).toEqual(joined)
    const host = async () => (await world.snapshot('host')).links.map((link) => link.name)
    expect((await host()).filter((name) => name.startsWith('lh-'))).toHaveLength(1)
    // Plugin down while the container went: Docker removes the network all the same.
    expect(await say('NetworkDriver.DeleteNetwork', { NetworkID: ID })).toEqual({})
    expect(await say('NetworkDriver.DeleteNetwork', { NetworkID: ID })).toEqual({})
    expect(await host()).toEqual(['lo', 'eth0'])
    expect((await engine.leases()).filter((lease) => lease.kind !== 'cooldown')).toEqual([])
  }))

test('a gateway nobody gave is answered, and is nobody: containers get no route to it', () =>
  onSim(async ({ say, engine }) => {
    const asked = await say('IpamDriver.RequestPool', { ...POOL, Pool: '10.9.0.0/24' })
    const PoolID = asked['PoolID']
    const { Address } = await say('IpamDriver.RequestAddress', { PoolID, Options: GATEWAY })
    expect(Address).toBe('10.9.0.1/24')
    await say('NetworkDriver.CreateNetwork', {
      NetworkID: ID,
      Options: { 'com.docker.network.generic': { parent: 'eth0' } },
      IPv4Data: [{ AddressSpace: 'lanyard', Pool: '10.9.0.0/24', Gateway: Address }],
      IPv6Data: [],
    })
    const [network] = await engine.networks()
    expect(network?.pools.map(({ gateway }) => gateway)).toEqual([undefined])
  }))
