/** Networks of `-d lanyard` on a stock dockerd, as typed by hand. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { describeDocker } from '../describe-docker.ts'
import { buildProgram, removeProgram } from '../support/program.ts'
import { DockerWorld, until } from './world.ts'

const LAN = '--subnet 192.168.8.0/24 --gateway 192.168.8.1'
const OURS = 'network create -d lanyard --ipam-driver lanyard'

interface Place {
  readonly IPAddress: string
  readonly MacAddress: string
  readonly Gateway: string
  readonly GlobalIPv6Address: string
}

describeDocker('docker network -d lanyard', () => {
  const world = new DockerWorld()
  const docker = (line: string): string => world.docker(line)
  const fails = (line: string): string => {
    const { status, stderr } = world.tryDocker(line)
    expect([line, status === 0]).toEqual([line, false])
    return stderr.trim().split('\n')[0] ?? ''
  }
  const placeOf = (container: string, network: string): Place => {
    const all = docker(`inspect ${container} --format {{.NetworkSettings.Networks|json}}`)
    const place = (JSON.parse(all) as Record<string, Place>)[network]
    if (place === undefined) throw new Error(`${container} is not on ${network}`)
    return place
  }
  const run = (name: string, options: string): string =>
    docker(`run -d --name ${name} ${options} bb sleep 1000`)
  const hostLinks = (): string => world.ok('ip', '-br', 'link')

  beforeAll(async () => {
    await buildProgram()
    await world.open()
    await world.startLanyard()
    await world.startDockerd()
    world.importImage()
  }, 300_000)
  afterAll(async () => {
    await world.close()
    removeProgram()
  })
  afterEach(() => {
    const all = docker('ps -aq').split('\n').filter(Boolean)
    if (all.length > 0) docker(`rm -f ${all.join(' ')}`)
    const networks = docker('network ls -q --filter driver=lanyard').split('\n').filter(Boolean)
    if (networks.length > 0) docker(`network rm ${networks.join(' ')}`)
    expect(hostLinks()).not.toMatch(/^l[yhvd]-/m)
    expect(world.lanyard('status').stdout).toContain('no networks yet')
  })

  test('two containers on the LAN: host, router, foreign host and each other, one MAC each', async () => {
    docker(`${OURS} ${LAN} --ip-range 192.168.8.128/25 -o parent=eth0 lan`)
    run('c1', '--network lan')
    run('c2', '--network lan')
    const [one, two] = [placeOf('c1', 'lan'), placeOf('c2', 'lan')]
    expect([one.IPAddress, two.IPAddress]).toEqual(['192.168.8.128', '192.168.8.129'])
    expect(one.MacAddress).not.toBe(two.MacAddress)
    for (const to of ['192.168.8.129', '192.168.8.110', '192.168.8.1', '192.168.8.9'])
      expect([to, docker(`exec c1 ping -c1 -W2 ${to}`)]).toEqual([
        to,
        expect.stringContaining(' 0% packet loss'),
      ])
    for (const from of [undefined, 'peer', 'gw'])
      for (const { IPAddress } of [one, two]) await world.reaches(IPAddress, from)
    const seen = world.ok('ip', '-n', 'peer', 'neigh')
    for (const { IPAddress, MacAddress } of [one, two])
      expect(seen).toContain(`${IPAddress} dev eth0 lladdr ${MacAddress}`)
    // The host goes on being one: its own MAC, not its child's.
    await world.reaches('192.168.8.110', 'peer')
    const [host] = JSON.parse(world.ok('ip', '-j', 'link', 'show', 'eth0')) as { address: string }[]
    expect(world.ok('ip', '-n', 'peer', 'neigh')).toContain(
      `192.168.8.110 dev eth0 lladdr ${host?.address}`,
    )
    expect(docker('exec c1 ip route')).toContain('default via 192.168.8.1 dev eth0')
    expect(docker('exec c1 ip addr show eth0')).toContain('inet 192.168.8.128/24 brd 192.168.8.255')
  })

  test('a container keeps address and MAC over restart, and stop and start', async () => {
    docker(`${OURS} ${LAN} -o parent=eth0 lan`)
    run('c1', '--network lan')
    const before = placeOf('c1', 'lan')
    docker('restart -t 0 c1')
    expect(placeOf('c1', 'lan')).toMatchObject({
      IPAddress: before.IPAddress,
      MacAddress: before.MacAddress,
    })
    docker('stop -t 0 c1')
    expect(hostLinks()).not.toMatch(/^lh-/m)
    docker('start c1')
    expect(placeOf('c1', 'lan')).toMatchObject({
      IPAddress: before.IPAddress,
      MacAddress: before.MacAddress,
    })
    await world.reaches(before.IPAddress, 'peer')
  })

  test('connect makes the link in place, Docker routes; disconnect takes it away', async () => {
    docker(`${OURS} ${LAN} -o parent=eth0 lan`)
    docker(`${OURS} --subnet 10.8.0.0/24 --gateway 10.8.0.1 -o parent=eth0 other`)
    run('c1', '--network other')
    docker('network connect --ip 192.168.8.77 lan c1')
    const links = docker('exec c1 ip addr')
    expect(links).toContain('inet 192.168.8.77/24')
    expect(links).toMatch(/eth100[@:]/)
    expect(docker('exec c1 ip route')).toMatch(
      /^default via (192\.168\.8\.1 dev eth100|10\.8\.0\.1 dev eth0)/m,
    )
    expect(docker('exec c1 ping -c1 -W2 192.168.8.9')).toContain(' 0% packet loss')
    await world.reaches('192.168.8.77')
    docker('network disconnect lan c1')
    expect(docker('exec c1 ip addr')).not.toContain('192.168.8.77')
    expect(world.pings('192.168.8.77', 'peer')).toBe(false)
    docker('network connect --driver-opt ifname=lan0 --ip 192.168.8.77 lan c1')
    expect(docker('exec c1 ip addr show lan0')).toContain('inet 192.168.8.77/24')
  })

  test('fast=false: Docker moves every link, and takes it back', async () => {
    docker(`${OURS} ${LAN} -o parent=eth0 -o fast=false lan`)
    docker(`${OURS} --subnet 10.8.0.0/24 -o parent=eth0 other`)
    run('c1', '--network other')
    docker('network connect --ip 192.168.8.78 lan c1')
    expect(docker('exec c1 ip addr show eth1')).toContain('inet 192.168.8.78/24')
    await world.reaches('192.168.8.78')
    docker('network disconnect lan c1')
    expect(docker('exec c1 ip addr')).not.toContain('192.168.8.78')
  })

  test('options: both families, mtu, exclude, internal, --ip, --mac-address, a shared subnet', async () => {
    docker(
      `${OURS} ${LAN} --ipv6 --subnet fd00:8::/64 --gateway fd00:8::1 -o parent=eth0 -o mtu=1400 -o exclude=192.168.8.2-192.168.8.9 lan`,
    )
    run('c1', '--network lan')
    run('c2', '--network lan --ip 192.168.8.50 --ip6 fd00:8::50 --mac-address 02:42:aa:00:00:01')
    const [one, two] = [placeOf('c1', 'lan'), placeOf('c2', 'lan')]
    expect(one.IPAddress).toBe('192.168.8.10')
    expect(two).toMatchObject({
      IPAddress: '192.168.8.50',
      GlobalIPv6Address: 'fd00:8::50',
      MacAddress: '02:42:aa:00:00:01',
    })
    expect(docker('exec c1 ip link show eth0')).toContain('mtu 1400')
    for (const to of [one.GlobalIPv6Address, 'fd00:8::50']) {
      await world.reaches(to, 'peer')
      await world.reaches(to)
    }
    expect(docker('exec c2 ping -c1 -W2 fd00:8::110')).toContain(' 0% packet loss')
    // Another network of the same LAN shares one address table.
    docker(`${OURS} ${LAN} --internal -o parent=eth0 lan2`)
    expect(fails('run --rm --network lan2 --ip 192.168.8.50 bb true')).toContain(
      'Address already in use: 192.168.8.50 is held by endpoint "192.168.8.50"',
    )
    run('c3', '--network lan2')
    expect(docker('exec c3 ip route')).not.toContain('default')
    expect(docker('exec c3 ping -c1 -W2 192.168.8.50')).toContain(' 0% packet loss')
  })

  test('the LAN is asked: an address somebody has is not handed out, and named when asked for', async () => {
    world.ok('ip', '-n', 'peer', 'address', 'add', '192.168.8.2/24', 'dev', 'eth0')
    try {
      docker(`${OURS} ${LAN} -o parent=eth0 lan`)
      run('c1', '--network lan')
      expect(placeOf('c1', 'lan').IPAddress).toBe('192.168.8.3')
      const mac = (
        JSON.parse(world.ok('ip', '-n', 'peer', '-j', 'link', 'show', 'eth0')) as {
          address: string
        }[]
      )[0]?.address
      expect(fails('run --rm --network lan --ip 192.168.8.2 bb true')).toContain(
        `in use on the LAN by ${mac}`,
      )
    } finally {
      world.ok('ip', '-n', 'peer', 'address', 'del', '192.168.8.2/24', 'dev', 'eth0')
    }
  })

  test("Docker's own IPAM: its addresses, and said once that nobody asks the LAN", async () => {
    docker(`network create -d lanyard ${LAN} --ip-range 192.168.8.192/27 -o parent=eth0 lan`)
    run('c1', '--network lan')
    expect(placeOf('c1', 'lan').IPAddress).toBe('192.168.8.192')
    await world.reaches('192.168.8.192', 'peer')
    await world.reaches('192.168.8.192')
    run('c2', '--network lan')
    expect(world.logOf('lanyard').match(/the LAN is not asked/g)).toHaveLength(1)
    expect(
      fails(`network create -d lanyard --subnet 10.9.0.0/24 -o parent=eth0 -o check=always x`),
    ).toBe(
      'Error response from daemon: remote: driver option check=always needs "--ipam-driver lanyard": Docker asks nobody',
    )
  })

  test('fifty containers at once: each its own address', async () => {
    docker(`${OURS} ${LAN} -o parent=eth0 lan`)
    const names = Array.from({ length: 50 }, (_, i) => `n${i}`)
    for (const name of names) docker(`create --name ${name} --network lan bb sleep 1000`)
    const started = await Promise.all(names.map((name) => world.dockerAsync(`start ${name}`)))
    expect(started.filter(({ status }) => status !== 0)).toEqual([])
    const addresses = names.map((name) => placeOf(name, 'lan').IPAddress)
    expect(new Set(addresses).size).toBe(50)
    await until(() => addresses.every((ip) => world.pings(ip)))
    // On a slow machine something may still be under way: what is off after all is shown.
    await until(() => world.lanyard('status').status === 0).catch(() => undefined)
    const { status, stdout } = world.lanyard('status')
    expect(`${status} ${stdout}`).toMatch(/^0 /)
    docker(`rm -f ${names.join(' ')}`)
  })
})
