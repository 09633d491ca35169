/** Docker's door on two hosts of one store: each Docker speaks for its own host alone. */
import { expect } from 'vitest'
import { specOfDocker } from '../../src/cli/network-options.ts'
import type { DoorEngine } from '../../src/engine/types.ts'
import type { DockerApi } from '../../src/plugin/docker/api.ts'
import {
  createNetwork,
  deleteNetwork,
  type NetworkDesk,
} from '../../src/plugin/docker/network-driver.ts'
import { requestAddress, requestPool } from '../../src/plugin/docker/ipam-driver.ts'
import { Networks } from '../../src/plugin/docker/networks.ts'
import { Waiting } from '../../src/plugin/docker/pools.ts'
import { DockerSync } from '../../src/plugin/docker/sync.ts'
import { onHosts, refusal } from '../engine/on-hosts.ts'

const ID = 'ab'.repeat(32)
const NAME = ID.slice(0, 12)

async function deskOf(engine: DoorEngine, nonce: string): Promise<NetworkDesk> {
  return {
    engine,
    networks: await Networks.load(engine),
    waiting: new Waiting(),
    nonce: () => nonce,
    readSpec: specOfDocker,
    tell: () => undefined,
  }
}

/** What Docker asks for `network create`. @returns the pool's id */
async function create(desk: NetworkDesk, id: string): Promise<string> {
  const pool = { AddressSpace: 'lanyard', SubPool: '', Options: {}, V6: false }
  const { PoolID } = requestPool(desk, { ...pool, Pool: '10.9.0.0/24' }) as { PoolID: string }
  await createNetwork(desk, {
    NetworkID: id,
    Options: { 'com.docker.network.generic': { parent: 'eth0' } },
    IPv4Data: [{ AddressSpace: 'lanyard', Pool: '10.9.0.0/24', Gateway: '', AuxAddresses: {} }],
    IPv6Data: [],
  })
  return PoolID
}

const names = async (engine: DoorEngine) => (await engine.networks()).map((one) => one.name)

onHosts(
  'a network that another host made for its Docker is none of ours to remove',
  async (hosts) => {
    const { a, b } = hosts
    await create(await deskOf(a, 'one'), ID)
    const api = { networks: () => Promise.resolve([]) } as unknown as DockerApi
    const told: string[] = []
    const sync = new DockerSync(await deskOf(b, 'two'), api, (sentence) => void told.push(sentence))
    await sync.look(0)
    await sync.look(3_600_000)
    await sync.close()
    expect([await names(a), told]).toEqual([[NAME], []])
  },
)

onHosts('a network of a swarm has one id on every node, and pools of each node', async (hosts) => {
  const { a, b } = hosts
  const [one, two] = [await deskOf(a, 'one'), await deskOf(b, 'two')]
  const pools = [await create(one, ID), await create(two, ID)]
  const ask = async (desk: NetworkDesk, PoolID = '') =>
    await requestAddress(desk, { PoolID, Address: '', Options: {} })
  // Hosts start in places of their own.
  const given = [await ask(one, pools[0]), await ask(two, pools[1])]
  expect(given[0]).not.toEqual(given[1])
  // A daemon that starts again knows its own.
  expect(await ask(await deskOf(b, 'three'), pools[1])).toMatchObject({ Data: {} })
  // A node that has no task left drops the network; the others have it still.
  await deleteNetwork(two, { NetworkID: ID })
  await deleteNetwork(two, { NetworkID: ID })
  expect(await names(a)).toEqual([NAME])
  expect(await ask(one, pools[0])).toMatchObject({ Data: {} })
  // Nor does anybody else remove it but Docker, or by force.
  const why = `network ${NAME} was made by Docker`
  expect(await refusal(a.removeNetwork(NAME))).toBe(why)
  expect(await refusal(b.removeNetwork(NAME))).toBe(`${why} on host alpha`)
  await deleteNetwork(one, { NetworkID: ID })
  expect([await names(a), await names(b)]).toEqual([[], []])
})

onHosts('a network of a Docker that is gone for good goes by force', async ({ a, b }) => {
  await create(await deskOf(a, 'one'), ID)
  await b.removeNetwork(NAME, { force: true })
  expect(await names(a)).toEqual([])
})
