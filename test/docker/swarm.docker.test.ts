/**
 * A swarm of two nodes, each with Lanyard as a managed plugin, and an etcd that both reach: the
 * containers of services are on the LAN, and no two of them have one address.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeDocker } from '../describe-docker.ts'
import { buildProgram, PROGRAM, removeProgram } from '../support/program.ts'
import { DockerWorld, until } from './world.ts'

const STORE = 'etcd://192.168.8.110:2379'
const SERVICES = ['web', 'db']

describeDocker('a swarm with the managed plugin', () => {
  const alpha = new DockerWorld({ host: 110 })
  const beta = new DockerWorld({ host: 111 })
  const nodes = [alpha, beta]

  beforeAll(async () => {
    await buildProgram()
    for (const world of nodes) await world.open()
    alpha.cableTo(beta)
    expect(await alpha.startEtcd()).toBe(STORE)
    alpha.name('aaaa1', 'alpha')
    beta.name('bbbb2', 'beta')
    for (const world of nodes) {
      // No registry is asked twice where there is none.
      world.ok('mount', '--bind', world.writeFile('resolv.conf', ''), '/etc/resolv.conf')
      await world.startDockerd()
      world.importImage()
      install(world)
    }
  })
  afterAll(async () => {
    for (const world of nodes) await world.close()
    removeProgram()
  })

  function install(world: DockerWorld): void {
    const folder = `${world.folder}/plugin`
    world.ok(process.execPath, PROGRAM, 'docker', 'pack', folder)
    world.docker(`plugin create lanyard ${folder}`)
    world.docker(`plugin set lanyard state.source=${world.state} LANYARD_STORE=${STORE}`)
    world.docker('plugin enable lanyard')
    world.docker(
      'network create --config-only --ipam-driver lanyard:latest --subnet 192.168.8.0/24' +
        ' --gateway 192.168.8.1 --ip-range 192.168.8.32/27 -o parent=eth0 lan-here',
    )
  }

  test('containers of services on both nodes: on the LAN, each with an address of its own', async () => {
    alpha.docker('swarm init --advertise-addr 192.168.8.110')
    const token = alpha.docker('swarm join-token -q worker')
    beta.docker(`swarm join --token ${token} 192.168.8.110:2377`)
    alpha.docker('network create -d lanyard:latest --scope swarm --config-from lan-here lan')
    // One container a node.
    const options = '--detach --no-resolve-image --mode global --network lan'
    for (const name of SERVICES)
      alpha.docker(`service create ${options} --name ${name} bb sleep 100000`)
    const running = () => nodes.map((world) => world.docker('ps -q').split('\n').filter(Boolean))
    const counts = () => running().map((ids) => ids.length)
    await until(
      () => counts().every((count) => count === SERVICES.length),
      () =>
        `${counts().join()}: ${SERVICES.map((name) => alpha.docker(`service ps --no-trunc ${name}`)).join()}`,
    )
    const [here = [], there = []] = running()
    const addressesOf = (world: DockerWorld, ids: readonly string[]) =>
      ids.map((id) => {
        const shown = world.docker(`exec ${id} ip -4 addr show eth0`)
        return /inet (192\.168\.8\.\d+)\//.exec(shown)?.[1] ?? shown
      })
    const held = [...addressesOf(alpha, here), ...addressesOf(beta, there)]
    expect(new Set(held).size).toBe(nodes.length * SERVICES.length)
    for (const ip of held) {
      await alpha.reaches(ip, 'peer')
      await until(() => beta.tryDocker(`exec ${there[0]} ping -c1 -W2 ${ip}`).status === 0)
    }
    // The host of one reaches those of both.
    for (const ip of held) await alpha.reaches(ip)
    alpha.docker(`service rm ${SERVICES.join(' ')}`)
    await until(() => running().flat().length === 0, 'the service did not go')
    await until(() => alpha.tryDocker('network rm lan').status === 0, 'the network did not go')
  })
})
