/** Restarts and losses of dockerd, daemon and parent, with containers on the LAN meanwhile. */
import { spawnSync } from 'node:child_process'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { describeDocker } from '../describe-docker.ts'
import { buildProgram, removeProgram } from '../support/program.ts'
import { DockerWorld, until } from './world.ts'

const CREATE =
  'network create -d lanyard --ipam-driver lanyard --subnet 192.168.8.0/24 --gateway 192.168.8.1 -o parent=eth0'

const noCompose =
  process.env['CI'] !== 'true' && spawnSync('sh', ['-c', 'command -v docker-compose']).status !== 0

const whyNoCompose = noCompose ? ' (skipped: needs docker-compose)' : ''

describeDocker('docker on lanyard over its life', () => {
  let world: DockerWorld
  const docker = (line: string): string => world.docker(line)
  const placeOf = (name: string): string =>
    docker(
      `inspect ${name} --format {{range.NetworkSettings.Networks}}{{.IPAddress}},{{.MacAddress}}{{end}}`,
    )
  const addressOf = (name: string): string => placeOf(name).split(',')[0] ?? ''

  beforeAll(buildProgram)
  afterAll(removeProgram)
  beforeEach(async () => {
    world = new DockerWorld()
    await world.open()
    await world.startLanyard()
  })
  afterEach(async () => await world.close())

  test('live-restore off: dockerd restarts, containers come again as they were', async () => {
    await world.startDockerd()
    world.importImage()
    docker(`${CREATE} lan`)
    docker('run -d --name c1 --restart always --network lan bb sleep 1000')
    const before = placeOf('c1')
    // Called as Docker's users call it.
    const who = '192.168.8.2: endpoint c1 of network lan ('
    expect(world.lanyard('ip who 192.168.8.2').stdout).toContain(who)
    expect(world.lanyard('ip ls').stdout).toMatch(/^192\.168\.8\.2 +lan \([0-9a-f]{12}\) +c1 /m)
    expect(world.lanyard('status').stdout).toMatch(/^lan \([0-9a-f]{12}\) +macvlan .* ok$/m)
    await world.stopDockerd()
    expect(world.lanyard('ip who 192.168.8.2').stdout).not.toContain('c1')
    expect(world.pings('192.168.8.2', 'peer')).toBe(false)
    await world.startDockerd()
    await until(() => placeOf('c1') === before, 'c1 did not come again')
    await world.reaches(addressOf('c1'), 'peer')
    await world.reaches(addressOf('c1'))
  })

  test('the plugin ends while Docker asks: the user is told to ask again, and is answered', async () => {
    await world.startDockerd()
    docker(`${CREATE} first`)
    world.signalLanyard('SIGSTOP')
    const asked = world.dockerAsync(`${CREATE} second`)
    const waits = /^u_str +\S+ +[1-9]\d* .*\/plugins\/lanyard\.sock/m
    await until(() => waits.test(world.ok('ss', '--no-header', '--all', '--unix')), 'no request')
    // What is stopped is killed, and nsenter goes on to see it.
    const killed = world.stopLanyard('SIGKILL')
    world.signalLanyard('SIGCONT')
    await killed
    await world.startLanyard()
    const { status, stderr } = await asked
    expect([status, stderr]).toEqual([1, expect.stringContaining('run the docker command again')])
    expect(docker('network ls --format {{.Name}}').split('\n')).not.toContain('second')
    docker(`${CREATE} second`)
  })

  test('the host reboots: what restarts is where it was, what is pinned stays its own', async () => {
    await world.startDockerd()
    world.importImage()
    docker(`${CREATE} lan`)
    docker('run -d --name c1 --restart always --network lan bb sleep 1000')
    docker('run -d --name c2 --ip 192.168.8.70 --network lan bb sleep 1000')
    const before = ['c1', 'c2'].map(placeOf)
    await world.reboot()
    await world.startLanyard()
    await world.startDockerd()
    await until(() => placeOf('c1') === before[0], 'c1 did not come again')
    await world.reaches(addressOf('c1'), 'peer')
    await world.reaches(addressOf('c1'))
    // c2 is stopped, and was the last to give its address back.
    docker('run -d --name c3 --network lan bb sleep 1000')
    docker('start c2')
    expect(['c1', 'c2'].map(placeOf)).toEqual(before)
    await world.reaches(addressOf('c2'))
    docker('rm -f c1 c2 c3')
    docker('network rm lan')
    expect(world.lanyard('status').stdout).toContain('no networks yet')
    expect(world.ok('ip', '-br', 'link')).not.toMatch(/^l[yhvd]-/m)
  })

  test('live-restore on: nobody notices dockerd or daemon restart; parent lost and back', async () => {
    await world.startDockerd({ liveRestore: true })
    world.importImage()
    docker(`${CREATE} lan`)
    docker('run -d --name c1 --network lan bb sleep 1000')
    const before = placeOf('c1')
    await world.stopDockerd('SIGKILL')
    await world.reaches(addressOfText(before), 'peer')
    await world.stopLanyard('SIGKILL')
    await world.reaches(addressOfText(before), 'peer')
    await world.startLanyard()
    await world.startDockerd({ liveRestore: true })
    expect(placeOf('c1')).toBe(before)
    await world.reaches(addressOfText(before))
    // Another container gets another address, and the first can be taken away and come again.
    docker('run -d --name c2 --network lan bb sleep 1000')
    expect(addressOf('c2')).not.toBe(addressOfText(before))
    docker('restart -t 0 c1')
    expect(placeOf('c1')).toBe(before)
    world.ok('ip', 'link', 'del', 'eth0')
    expect(world.pings(addressOfText(before), 'peer')).toBe(false)
    world.ok('ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'p0', 'netns', 'sw')
    world.ok('ip', '-n', 'sw', 'link', 'set', 'p0', 'master', 'br0', 'up')
    world.ok('ip', 'address', 'add', '192.168.8.110/24', 'dev', 'eth0')
    world.ok('ip', 'link', 'set', 'eth0', 'up')
    await world.reaches(addressOfText(before), 'peer')
    await world.reaches(addressOfText(before))
    expect(docker('exec c1 ip route')).toContain('default via 192.168.8.1 dev eth0')
    docker('rm -f c1 c2')
    docker('network rm lan')
    expect(world.ok('ip', '-br', 'link')).not.toMatch(/^l[yhvd]-/m)
  })

  test('daemon down while a container and a network go: found, and released', async () => {
    await world.startDockerd()
    world.importImage()
    docker(`${CREATE} lan`)
    docker(`${CREATE} lan2`)
    docker('run -d --name c1 --network lan bb sleep 1000')
    await world.stopLanyard('SIGKILL')
    // Docker waits a quarter of a minute for each thing it would say, and then goes on.
    const gone = await Promise.all([
      world.dockerAsync('rm -f c1'),
      world.dockerAsync('network rm lan2'),
    ])
    expect(gone[0]?.status).toBe(0)
    await world.startLanyard()
    const status = () => world.lanyard('status --json').stdout
    const shown = () => JSON.parse(status()) as { networks: { endpoints: number }[] }
    await until(
      () => shown().networks.length === 1 && shown().networks[0]?.endpoints === 0,
      'what Docker forgot was not found',
    )
    const leases = JSON.parse(world.lanyard('ip ls --json').stdout) as { kind: string }[]
    expect(leases.filter(({ kind }) => kind === 'endpoint')).toEqual([])
    docker('run -d --name c2 --network lan bb sleep 1000')
    await world.reaches(addressOf('c2'))
  })

  test.skipIf(noCompose)(
    `docker compose: two networks, the same places after a restart${whyNoCompose}`,
    async () => {
      await world.startDockerd()
      world.importImage()
      const file = world.writeFile('compose.yml', COMPOSE)
      const compose = (line: string): void => {
        const { status, stdout, stderr } = world.compose(file, line)
        expect([line, status, status === 0 ? '' : stdout + stderr]).toEqual([line, 0, ''])
      }
      const places = (name: string): string =>
        docker(
          `inspect ${name} --format ` +
            '{{range.NetworkSettings.Networks}}{{.IPAddress}},{{.MacAddress}};{{end}}',
        )
      compose('up -d')
      const before = { web: places('web'), db: places('db') }
      expect(before.web).toContain('192.168.8.70,')
      expect(before.web).toContain('10.8.0.70,')
      await world.reaches('192.168.8.70', 'peer')
      await world.reaches('192.168.8.70')
      await until(() => world.tryDocker('exec web ping -c1 -W2 10.8.0.71').status === 0)
      compose('restart -t 0')
      expect({ web: places('web'), db: places('db') }).toEqual(before)
      compose('down -t 0')
      expect(world.ok('ip', '-br', 'link')).not.toMatch(/^l[yhvd]-/m)
      expect(world.lanyard('status').stdout).toContain('no networks yet')
      compose('up -d')
      // Networks made anew, of another id: a MAC stays with its address.
      expect({ web: places('web'), db: places('db') }).toEqual(before)
      compose('down -t 0')
    },
  )
})

/** As in docs/guides/docker.md. */
const COMPOSE = `
version: "2.4"
services:
  web:
    image: bb
    container_name: web
    command: sleep 100000
    networks:
      lan:
        ipv4_address: 192.168.8.70
      back:
        ipv4_address: 10.8.0.70
  db:
    image: bb
    container_name: db
    command: sleep 100000
    networks:
      back:
        ipv4_address: 10.8.0.71
networks:
  lan:
    driver: lanyard
    driver_opts:
      parent: eth0
    ipam:
      driver: lanyard
      config:
        - subnet: 192.168.8.0/24
          gateway: 192.168.8.1
  back:
    driver: lanyard
    internal: true
    driver_opts:
      parent: eth0
    ipam:
      driver: lanyard
      config:
        - subnet: 10.8.0.0/24
`

const addressOfText = (place: string): string => place.split(',')[0] ?? ''
