import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseIp } from '../addr/ip.ts'
import { parseMac } from '../addr/mac.ts'
import { parsePrefix } from '../addr/prefix.ts'
import type { EngineEvent, NetworkSpec } from '../engine/types.ts'
import { LanyardError } from '../errors.ts'
import { openTestDaemon, type TestDaemon } from '../../test/support/daemon.ts'
import { DaemonClient } from './client.ts'

const SPEC: NetworkSpec = {
  name: '局域网',
  kind: 'macvlan',
  macvlanMode: 'source',
  sources: [parseMac('02:00:00:00:00:aa')],
  parent: 'eth0',
  vlan: 50,
  pools: [
    {
      subnet: parsePrefix('10.0.0.0/24'),
      range: { first: parseIp('10.0.0.10'), last: parseIp('10.0.0.20') },
      gateway: parseIp('10.0.0.1'),
      exclude: [{ name: 'printer', address: parseIp('10.0.0.11') }],
    },
    { subnet: parsePrefix('2001:db8::/64'), exclude: [] },
  ],
  mtu: 1400,
  hostAccess: false,
  internal: true,
  check: 'never',
  attach: 'veth',
  labels: { a: 'b' },
}

let daemon: TestDaemon
let client: DaemonClient
beforeEach(async () => {
  daemon = await openTestDaemon()
  client = new DaemonClient(daemon.socket)
})
afterEach(async () => {
  await client.close()
  await daemon.close()
})

describe('DaemonClient', () => {
  test('what it answers is what the engine answers, numbers and all', async () => {
    const { engine } = daemon
    const network = await client.createNetwork(SPEC)
    expect(network).toEqual(await engine.network(SPEC.name))
    expect(await client.network(SPEC.name)).toEqual(network)
    expect(await client.networks()).toEqual([network])
    expect(await client.planCreate(SPEC)).toEqual(await engine.planCreate(SPEC))
    const request = {
      network: SPEC.name,
      endpoint: 'web',
      sandbox: '/proc/1/ns/net',
      mac: parseMac('02:00:00:00:00:07'),
      addresses: [parseIp('2001:db8::7')],
      link: 'lan0',
      gatewayPriority: -1,
    }
    expect(await client.planConnect(request)).toEqual(await engine.planConnect(request))
    const endpoint = await client.connect(request)
    expect([endpoint]).toEqual(await engine.endpoints())
    expect(await client.endpoints(SPEC.name)).toEqual([endpoint])
    expect(await client.nextFree(SPEC.name)).toEqual(await engine.nextFree(SPEC.name))
    const address = parseIp('2001:db8::9')
    const lease = await client.reserve(SPEC.name, address, 'nas')
    expect(await client.whoHas(address)).toMatchObject({ lease })
    expect(await client.whoHas(parseIp('10.0.0.99'))).toEqual({
      lease: undefined,
      ownLink: undefined,
      answeredBy: parseMac('52:54:00:00:00:99'),
    })
    expect(await client.leases()).toEqual(await engine.leases())
    await client.release(SPEC.name, address)
    expect(await client.leases('eth0.50')).toHaveLength(2)
    await client.disconnect(SPEC.name, 'web')
    await client.removeNetwork(SPEC.name)
    expect(await engine.networks()).toEqual([])
    const one = { network: 'n', endpoint: undefined, what: 'w', mend: 'm' }
    engine.drifts.push(one)
    expect(await client.status()).toEqual([one])
    expect(await client.reconcile()).toEqual([one])
  })

  test('an error of the engine is the same error here', async () => {
    const detail = { op: 'link.add', errno: 'EBUSY', message: 'in use', index: 3 }
    daemon.engine.next = new LanyardError('op-refused', detail)
    const error: unknown = await client.networks().catch((e: unknown) => e)
    expect(error).toBeInstanceOf(LanyardError)
    expect(error).toMatchObject({ code: 'op-refused', detail, message: /in use \(EBUSY\)/ })
  })

  test('events come as they happen, and end with the listener', async () => {
    const seen: EngineEvent[] = []
    let wake = (): void => undefined
    const watch = client.onEvent((event) => {
      seen.push(event)
      wake()
    })
    while (daemon.engine.listeners < 2) await new Promise((resolve) => setTimeout(resolve, 5))
    const woken = new Promise<void>((resolve) => (wake = resolve))
    daemon.engine.tell('parent-lost', 'mcv')
    await woken
    expect(seen).toMatchObject([{ what: 'parent-lost', network: 'mcv', endpoint: undefined }])
    watch.close()
    while (daemon.engine.listeners > 1) await new Promise((resolve) => setTimeout(resolve, 5))
  })

  test('a daemon that is not there, or goes, is named with its socket', async () => {
    const nobody = new DaemonClient('/run/nowhere.sock')
    await expect(nobody.networks()).rejects.toMatchObject({
      code: 'daemon-unreachable',
      message: 'the daemon at /run/nowhere.sock does not answer: there is no such socket',
    })
    await client.networks()
    await daemon.daemon.stop()
    await expect(client.networks()).rejects.toMatchObject({ code: 'daemon-unreachable' })
  })
})
