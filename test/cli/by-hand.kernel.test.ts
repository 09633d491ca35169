/**
 * Seeds 000 and 003 as one would type them with Lanyard, on a real kernel: containers' places on
 * the LAN, seen from inside, from their own host, and from a foreign host. What the seeds do not
 * get (a host that reaches its containers) is got here.
 */
import { execFile as execFileBack, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { describeKernel } from '../describe-kernel.ts'
import { CARD, HOST_IP, HostLan, ip, PEER_IP, ROUTER_IP } from '../support/host-lan.ts'
import { buildProgram, removeProgram } from '../support/program.ts'

const execFile = promisify(execFileBack)

let lan: HostLan

/** The MACs that answer to so many questions for an address, one a second, by a foreign host. */
async function arping(address: string, count: number): Promise<readonly string[]> {
  const words = ['netns', 'exec', lan.ns('peer'), 'arping', '-I', 'eth0', '-w', '60']
  const { stdout } = await execFile('ip', [...words, '-c', String(count), address])
  return [...stdout.matchAll(/\[([0-9A-F:]{17})\]/g)].map(([, mac = '']) => mac.toLowerCase())
}

/** Whether this kernel makes VLAN links. */
function hasVlan(): boolean {
  const words = ['-n', lan.ns('peer'), 'link', 'add', 'link', 'eth0', 'name', 'v9', 'type', 'vlan']
  return spawnSync('ip', [...words, 'id', '9']).status === 0
}

describeKernel('seeds by hand, with lanyard', () => {
  beforeAll(buildProgram)
  afterAll(removeProgram)
  beforeEach(() => {
    lan = new HostLan('hand')
  })
  afterEach(() => lan.close())

  test('seed 000: two on the LAN, and their host reaches both', async () => {
    await lan.startDaemon()
    const create = `network create -d macvlan --subnet=192.168.8.0/24 --gateway=${ROUTER_IP}`
    await lan.ok(`${create} -o parent=${CARD} mcv`)
    expect(await lan.ok('network ls')).toMatch(/^\w{12} +mcv +macvlan +local$/m)
    lan.boxes('top', 'sharp')
    expect(await lan.ok(`network connect --ip 192.168.8.120 mcv ${lan.ns('top')}`)).toBe(
      `${lan.ns('top')}: 192.168.8.120/24 on eth0, gateway ${ROUTER_IP}\n`,
    )
    await lan.ok(`network connect mcv ${lan.ns('sharp')}`)
    const [sharp = ''] = lan.addresses('sharp').map((one) => one.split(' ')[1] ?? '')
    // Each other, the gateway, a foreign host, and their own host, which the seed does not reach.
    for (const to of ['192.168.8.120', ROUTER_IP, PEER_IP, HOST_IP])
      expect([to, lan.pings('sharp', to)]).toEqual([to, true])
    for (const from of ['top', 'host', 'peer', 'gw'])
      expect([from, lan.pings(from, sharp)]).toEqual([from, true])
    for (const from of ['host', 'peer'])
      expect([from, lan.pings(from, '192.168.8.120')]).toEqual([from, true])
    // For that the host took no second address, and the LAN sees one MAC for each of all these.
    expect(lan.addresses('host')).toEqual([`${CARD} ${HOST_IP}`])
    const own = [
      [HOST_IP, 'host', CARD],
      ['192.168.8.120', 'top', 'eth0'],
      [sharp, 'sharp', 'eth0'],
    ] as const
    const answers = await Promise.all(own.map(([address]) => arping(address, 10)))
    for (const [i, [address, at, link]] of own.entries()) {
      expect(answers[i]).toHaveLength(10)
      expect([address, ...new Set(answers[i])]).toEqual([address, lan.mac(at, link)])
    }
    // An address that a foreign host took.
    ip(`-n ${lan.ns('peer')} address add 192.168.8.77/24 dev eth0`)
    const foreign = lan.mac('peer', 'eth0')
    expect(await lan.ok('ip who 192.168.8.77')).toBe(
      `192.168.8.77: ${foreign} answers for it on the LAN, nobody of ours\n`,
    )
    lan.boxes('late')
    const late = await lan.run(`network connect --ip 192.168.8.77 mcv ${lan.ns('late')}`)
    expect([late.status, late.stderr]).toEqual([
      2,
      `lanyard: address 192.168.8.77 of network mcv: address already in use on the LAN by ${foreign}\n` +
        'mend: take another, or keep it from being handed out: --exclude 192.168.8.77\n',
    ])
    expect(lan.links('late')).toEqual([])
    expect((await lan.ok('status')).includes('drift')).toBe(false)
    await lan.ok('network rm --disconnect mcv')
    expect([lan.links('host'), lan.links('top'), lan.links('sharp')]).toEqual([[CARD], [], []])
  })

  test('seed 003: two networks for one subnet, and a VLAN', async () => {
    ip(`-n ${lan.ns('host')} address add 192.168.14.133/24 dev ${CARD}`)
    ip(`-n ${lan.ns('gw')} address add 192.168.14.2/24 dev eth0`)
    const before = lan.addresses('host')
    await lan.startDaemon()
    const create = 'network create -d macvlan --subnet=192.168.14.0/24'
    await lan.ok(`${create} --gateway=192.168.14.2 -o parent=${CARD} mac_net1`)
    lan.boxes('b1', 'b2', 'b3')
    for (const [box, last] of [
      ['b1', 11],
      ['b2', 12],
    ] as const)
      await lan.ok(`network connect --ip=192.168.14.${last} mac_net1 ${lan.ns(box)}`)
    // The last one is the host, which the seed's container does not reach.
    for (const to of ['192.168.14.11', '192.168.14.2', '192.168.14.133'])
      expect([to, lan.pings('b2', to)]).toEqual([to, true])
    for (const from of ['host', 'gw']) expect(lan.pings(from, '192.168.14.12')).toBe(true)
    expect(lan.addresses('host')).toEqual(before)
    // Docker refuses the subnet a second time; here it is one table of addresses for both.
    await lan.ok(`${create} --gateway=192.168.14.2 -o parent=${CARD} again`)
    const taken = await lan.run(`network connect --ip=192.168.14.11 again ${lan.ns('b3')}`)
    expect([taken.status, taken.stderr]).toEqual([
      2,
      expect.stringContaining(lan.ns('b1')) as string,
    ])
    for (const name of ['again', 'mac_net1']) await lan.ok(`network rm --disconnect ${name}`)
    const vlan = await lan.run(
      `${create} --gateway=192.168.14.1 -o parent=${CARD}.50 -o check=never macvlan50`,
    )
    if (hasVlan()) {
      expect([vlan.status, vlan.stderr]).toEqual([0, ''])
      for (const box of ['b1', 'b2']) await lan.ok(`network connect macvlan50 ${lan.ns(box)}`)
      const [to = ''] = lan.addresses('b2').map((one) => one.split(' ')[1] ?? '')
      expect(lan.pings('b1', to)).toBe(true)
      await lan.ok('network rm --disconnect macvlan50')
    } else
      expect([vlan.status, vlan.stderr]).toEqual([
        2,
        `lanyard: failed to create ${CARD}.50 vlan link: operation not supported\n` +
          'mend: this kernel has no vlan: try "modprobe 8021q"\n',
      ])
    expect(lan.links('host')).toEqual([CARD])
  })
})
