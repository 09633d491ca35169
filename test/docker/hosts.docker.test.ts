/**
 * Two dockerds on one LAN, a host each: the walkthrough that pins every `--ip` by hand, with the
 * built-in driver; and without a pin, on Lanyard with an etcd that both reach.
 */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { describeDocker } from '../describe-docker.ts'
import { buildProgram, removeProgram } from '../support/program.ts'
import { Hands } from './hands.ts'
import { DockerWorld, until } from './world.ts'

const STORE = 'etcd://192.168.8.110:2379'
const LAN = '--subnet 172.16.5.0/24 --gateway 172.16.5.1 -o parent=eth0'

describeDocker('two dockerds on one LAN', () => {
  const alpha = new Hands(new DockerWorld({ host: 110 }))
  const beta = new Hands(new DockerWorld({ host: 111 }))
  const hosts = [alpha, beta]

  beforeAll(async () => {
    await buildProgram()
    for (const { world } of hosts) await world.open()
    alpha.world.cableTo(beta.world)
    expect(await alpha.world.startEtcd()).toBe(STORE)
    for (const [{ world }, id, name] of [
      [alpha, 'aaaa1', 'alpha'],
      [beta, 'bbbb2', 'beta'],
    ] as const) {
      world.name(id, name)
      await world.startLanyard('--store', STORE)
      await world.startDockerd({ liveRestore: true })
      world.importImage()
    }
  })
  afterEach(() => {
    for (const hands of hosts) hands.clear()
  })
  afterAll(async () => {
    for (const { world } of hosts) await world.close()
    removeProgram()
  })

  test('002, built-in: pinned by hand they reach each other, else both get one address', async () => {
    for (const { world } of hosts) world.docker(`network create -d macvlan ${LAN} macvlan1`)
    alpha.run('busybox1', '--ip=172.16.5.2 --network macvlan1')
    beta.run('busybox2', '--ip=172.16.5.3 --network macvlan1')
    await beta.pings('busybox2', '172.16.5.2')
    await alpha.pings('busybox1', '172.16.5.3')
    for (const hands of hosts) hands.run('free', '--network macvlan1')
    const [one, two] = hosts.map((hands) => hands.placeOf('free', 'macvlan1').IPAddress)
    // alpha gave 172.16.5.2 to busybox1: its next is what beta gave to busybox2.
    expect([one, two]).toEqual(['172.16.5.3', '172.16.5.2'])
  })

  test('002, lanyard: nothing pinned, nothing twice, whoever is killed', async () => {
    for (const hands of hosts) hands.create(`${LAN} macvlan1`)
    const names = ['b1', 'b2', 'b3', 'b4']
    const startOn = async ({ world }: Hands, some: readonly string[]) => {
      const line = (name: string) => `run -d --name ${name} --network macvlan1 bb sleep 100000`
      const came = await Promise.all(some.map((name) => world.dockerAsync(line(name))))
      expect(came.map(({ status, stderr }) => [status, stderr])).toEqual(some.map(() => [0, '']))
    }
    await Promise.all(hosts.map((hands) => startOn(hands, names.slice(0, 2))))
    await alpha.world.stopDockerd('SIGKILL')
    await beta.world.stopLanyard('SIGKILL')
    await alpha.world.startDockerd({ liveRestore: true })
    await beta.world.startLanyard('--store', STORE)
    await Promise.all(hosts.map((hands) => startOn(hands, names.slice(2))))

    const held = hosts.flatMap((hands) =>
      names.map((name) => ({ hands, name, ip: addressIn(hands, name) })),
    )
    expect(new Set(held.map(({ ip }) => ip)).size).toBe(held.length)
    for (const { hands, name, ip } of held)
      expect(hands.placeOf(name, 'macvlan1').IPAddress).toBe(ip)
    for (const from of held)
      for (const { ip } of held) if (ip !== from.ip) await from.hands.pings(from.name, ip)

    const [, , , , first] = held
    const wanted = first?.ip ?? ''
    const said = alpha.fails(`run -d --name b5 --network macvlan1 --ip ${wanted} bb sleep 1000`)
    expect(said).toMatch(new RegExp(`in use: ${wanted} is held by endpoint ".*" on host beta of`))
    alpha.docker('rm -f b5')
    expect(alpha.world.lanyard('store check').stderr).toContain(`belongs to the store ${STORE}`)
    expect(alpha.world.lanyard(`store check --store ${STORE}`).stdout).toMatch(
      /8 endpoints, .*: clean/,
    )
  })

  test('etcd stands still: docker run goes on, on spares, and it is told after', async () => {
    for (const hands of hosts) {
      hands.create(`${LAN} macvlan1`)
      hands.run('before', '--network macvlan1')
    }
    const spares = new Map(hosts.map((hands) => [hands, new Set<string>()]))
    for (const hands of hosts)
      await until(() => {
        const { name } = hands === alpha ? { name: 'alpha' } : { name: 'beta' }
        const list = hands.world.lanyard('ip ls --json').stdout
        const all = JSON.parse(list) as { address: string; kind: string; host?: string }[]
        const own = all.filter((one) => one.kind === 'spare' && one.host === name)
        spares.set(hands, new Set(own.map((one) => one.address)))
        return own.length === 4
      }, 'there are no spares')
    alpha.world.signalEtcd('SIGSTOP')
    try {
      for (const hands of hosts) {
        hands.run('during', '--network macvlan1')
        expect(spares.get(hands)).toContain(addressIn(hands, 'during'))
        // A container that was there stops and comes again.
        hands.docker('restart -t 0 before')
        expect(spares.get(hands)).toContain(addressIn(hands, 'before'))
        hands.run('short', '--network macvlan1')
        hands.docker('rm -f short')
      }
      await alpha.pings('during', addressIn(beta, 'before'))
      await beta.pings('during', addressIn(alpha, 'during'))
      expect(
        alpha.fails('run -d --name no --network macvlan1 --ip 172.16.5.250 bb sleep 9'),
      ).toMatch(
        /the store does not answer, and of network \S+ 172.16.5.250 is not among this host's free/,
      )
      alpha.docker('rm -f no')
    } finally {
      alpha.world.signalEtcd('SIGCONT')
    }
    const check = () => alpha.world.lanyard(`store check --store ${STORE}`).stdout
    await until(
      () => / 4 endpoints, 4 addresses, 8 spares, .*: clean/.test(check()),
      'it is not told',
    )
    for (const hands of hosts)
      for (const name of ['before', 'during'])
        expect(hands.placeOf(name, 'macvlan1').IPAddress).toBe(addressIn(hands, name))
    await alpha.pings('during', addressIn(beta, 'before'))
  })
})

/** What the container itself sees on its link. */
function addressIn(hands: Hands, name: string): string {
  const line = hands.exec(name, 'ip -4 -o addr show dev eth0')
  return /inet (?<ip>[\d.]+)/.exec(line)?.groups?.['ip'] ?? `none: ${line}`
}
