/**
 * Two hosts on one LAN and one etcd, on a real kernel: daemons and etcd are killed while endpoints
 * come.
 */
import { spawn, spawnSync } from 'node:child_process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { formatIp } from '../../src/addr/ip.ts'
import { hexOfIp } from '../../src/ipam/keys.ts'
import { describeKernel } from '../describe-kernel.ts'
import { LAN4 } from '../lan.ts'
import { buildProgram, removeProgram } from '../support/program.ts'
import { type Host, HOSTS, TwoHosts, until } from '../support/two-hosts.ts'

/** Endpoints that come while things die. */
const CROWD = 20

const ENDPOINTS = '/v1/networks/lan/endpoints'

const pings = (from: string, to: string): boolean =>
  spawnSync('ip', ['netns', 'exec', from, 'ping', '-c1', '-W2', '-q', to]).status === 0

describeKernel('two hosts on one etcd', () => {
  let hosts: TwoHosts
  const ok = async (host: Host, line: string): Promise<string> => {
    const { status, stdout, stderr } = await hosts.lanyard(host, line)
    expect([line, status, stderr]).toEqual([line, 0, stderr])
    return stdout
  }

  beforeAll(async () => {
    await buildProgram()
    hosts = await TwoHosts.open()
  })
  afterAll(async () => {
    await hosts.close()
    removeProgram()
  })

  test('two hosts make one network at the same moment: it is one', async () => {
    const line = 'network create --subnet 10.9.0.0/24 --gateway 10.9.0.1 -o parent=eth0 lan'
    const both = await Promise.all(HOSTS.map((host) => hosts.lanyard(host, line)))
    // Whoever came second joined what the first made.
    expect(both.map(({ status, stderr }) => [status, stderr])).toEqual([
      [0, ''],
      [0, ''],
    ])
    const ids = await Promise.all(HOSTS.map((host) => ok(host, 'network ls -q --no-trunc')))
    expect(ids[0]).toMatch(/^[0-9a-f]+\n$/)
    expect(ids[1]).toBe(ids[0])
    const other = 'network create --subnet 10.9.0.0/25 -o parent=eth0'
    const apart = await Promise.all(HOSTS.map((host, n) => hosts.lanyard(host, `${other} x${n}`)))
    for (const { status, stderr } of apart) {
      expect(status).toBe(2)
      expect(stderr).toMatch(/^lanyard: .*lan.*\n/)
    }
    expect(await ok('alpha', 'store check')).toBe(
      '1 networks, 0 endpoints, 0 addresses, 2 hosts: clean\n',
    )
  })

  test('a network made once is joined on both; addresses are held once, holders named', async () => {
    const [c1, c2] = [hosts.sandbox('c1'), hosts.sandbox('c2')]
    await ok('alpha', `network connect lan ${c1}`)
    await ok('beta', `network connect lan ${c2} --ip 10.9.0.44`)
    await until(() => pings(c1, '10.9.0.44'))
    const c3 = hosts.sandbox('c3')
    const taken = await hosts.lanyard('alpha', `network connect lan ${c3} --ip 10.9.0.44`)
    expect(taken.status).toBe(2)
    expect(taken.stderr).toContain(`10.9.0.44 is held by endpoint "${c2}" on host beta`)
    const others = await hosts.lanyard('alpha', `network disconnect lan ${c2}`)
    expect(others.stderr).toContain(`it is on host beta`)
    expect(await ok('alpha', 'host ls')).toMatch(/^alpha .*\nbeta /m)
    expect(await ok('beta', 'store check')).toBe(
      '1 networks, 2 endpoints, 2 addresses, 2 hosts: clean\n',
    )
  })

  test('a link that answers though its sandbox has ended is waited for on the other host', async () => {
    const [g1, g2] = [hosts.sandbox('g1'), hosts.sandbox('g2')]
    const [address, rest] = ['10.9.0.50', '/lanyard/ipam/cool/eth0/40a090032']
    await ok('alpha', `network connect lan ${g1} --ip ${address}`)
    // A process in a namespace keeps it, and its links, after its name is gone.
    const inside = spawn('ip', ['netns', 'exec', g1, 'sleep', '600'])
    const connect = () => hosts.lanyard('beta', `network connect lan ${g2} --ip ${address}`)
    try {
      await until(() => pings(hosts.switch, address))
      hosts.endSandbox(g1)
      await ok('alpha', `network disconnect lan ${g1}`)
      expect(pings(hosts.switch, address)).toBe(true)
      const { stderr } = await connect()
      expect(stderr).toContain(`still: endpoint "${g1}" on host alpha has given it back`)
      expect(hosts.addressIn(g2)).toBe('')
      const rests = hosts.keys(rest).map(({ value }) => value)
      expect(rests).toEqual([expect.stringContaining('"kind":"cooldown"')])
      const later = connect()
      setTimeout(() => inside.kill('SIGKILL'), 1500)
      expect(await later).toMatchObject({ status: 0, stderr: '' })
    } finally {
      inside.kill('SIGKILL')
    }
    expect(hosts.addressIn(g2)).toBe(address)
    await until(() => pings(hosts.switch, address))
    expect(hosts.keys(rest)).toEqual([])
    await ok('beta', `network disconnect lan ${g2}`)
  })

  test('both ask the LAN for one address at the same moment: one gets it, and is named', async () => {
    for (const host of HOSTS) await hosts.startDaemon(host)
    const both = HOSTS.map((host) => ({ host, sandbox: hosts.sandbox(`w-${host}`) }))
    const held = () => hosts.keys('/lanyard/ipam/ip/').map(({ key }) => key)
    // Their spares are taken: nothing else changes meanwhile.
    await until(() => held().length === 2 + 2 * 4)
    const free = Array.from({ length: 50 }, (_, i) => LAN4 + 60 + i).filter(
      (ip) => !held().some((key) => key.endsWith(hexOfIp(ip))),
    )
    for (const ip of free.slice(0, 6)) {
      const addresses = [formatIp(ip)]
      const answers = await Promise.all(
        both.map(({ host, sandbox }) =>
          hosts.ask(host, 'POST', ENDPOINTS, { endpoint: sandbox, sandbox, addresses }),
        ),
      )
      const codes = answers.map(({ json }) => json['code'] ?? 'done')
      expect(new Set(codes)).toEqual(new Set(['address-in-use', 'done']))
      for (const { host, sandbox } of both)
        await hosts.ask(host, 'DELETE', `${ENDPOINTS}/${sandbox}`)
    }
  })

  test('endpoints come on both while daemons and etcd are killed: no address twice', async () => {
    const crowd = Array.from({ length: CROWD }, (_, n) => ({
      netns: hosts.sandbox(`x${n}`),
      host: HOSTS[n % 2] as Host,
    }))
    // Whoever meets a killed daemon or store asks again, the same.
    const connect = ({ netns, host }: { netns: string; host: Host }): Promise<void> =>
      until(async () => (await hosts.lanyard(host, `network connect lan ${netns}`)).status === 0)
    const kill = async (): Promise<void> => {
      await hosts.endDaemon('alpha')
      await hosts.startDaemon('alpha')
      const [member] = hosts.etcd.members
      await member?.kill()
      await member?.start()
      await hosts.endDaemon('beta')
      await hosts.startDaemon('beta')
    }
    await Promise.all([...crowd.map(connect), kill()])
    const held = crowd.map(({ netns }) => hosts.addressIn(netns))
    expect(held).not.toContain('')
    expect(new Set(held).size).toBe(CROWD)
    const [first, last] = [crowd[0]?.netns ?? '', held.at(-1) ?? '']
    await until(() => pings(first, last))
    // What a killed connect left is mended by its own host.
    for (const host of HOSTS) await ok(host, 'status --heal')
    // Spares come and go by themselves.
    const checked = (await ok('alpha', 'store check')).replace(/\d+ spares, /, '')
    const all = CROWD + 2
    expect(checked).toBe(`1 networks, ${all} endpoints, ${all} addresses, 2 hosts: clean\n`)
  })
})
