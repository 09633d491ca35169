import { expect, test } from 'vitest'
import { parseIp } from '../../addr/ip.ts'
import type { DoorEngine } from '../../engine/types.ts'
import type { DockerApi } from './api.ts'
import type { IpamDesk } from './ipam-driver.ts'
import { ID_LABEL, Networks } from './networks.ts'
import { DockerSync } from './sync.ts'

test('what containers pin on a network is known, whether or not they run', async () => {
  const id = 'ff6b67c7d53938602cc033ee'
  const name = id.slice(0, 12)
  const places = [
    { NetworkID: id, IPAMConfig: { IPv4Address: '192.168.8.70' } },
    { NetworkID: id, IPAMConfig: { IPv6Address: 'fd00:8::70' } },
    { NetworkID: id, IPAMConfig: null },
  ]
  const engine = {
    networks: () => Promise.resolve([{ name, labels: { [ID_LABEL]: id } }]),
    endpoints: () => Promise.resolve([]),
  } as unknown as DoorEngine
  const api = {
    networks: () => Promise.resolve([{ Id: id }]),
    network: () => Promise.resolve({}),
    placesOn: () => Promise.resolve(places),
  } as unknown as DockerApi
  const networks = new Networks()
  const sync = new DockerSync({ engine, networks } as IpamDesk, api, () => undefined)
  await sync.look(0)
  await sync.close()
  const pinned = ['192.168.8.70', 'fd00:8::70', '192.168.8.2'].map((ip) =>
    networks.isPinned(name, parseIp(ip)),
  )
  expect(pinned).toEqual([true, true, false])
  networks.remove(name)
  expect(networks.isPinned(name, parseIp('192.168.8.70'))).toBe(false)
})
