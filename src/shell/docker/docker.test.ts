/** What test/docker/shell.docker.test.ts cannot read off a real 20.10: dialect 29, our manners. */
import { describe, expect, test } from 'vitest'
import { runCommand } from '../run.ts'
import { openSession } from '../session.ts'
import { openSim } from '../../sim/fabric.ts'
import { openDockerSim } from '../../../test/shell/docker-world.ts'

const NET = 'docker network create -d macvlan --subnet=192.168.8.0/24 -o parent=eth0'

describe('docker 29', () => {
  test('shares a parent, gives MACs of chance and no gateway nobody asked for', async () => {
    const shell = await openDockerSim()
    await shell('echo 29 > /etc/docker/dialect')
    expect((await shell('docker version')).stdout).toContain(' Version:           29.0.0')
    expect((await shell(`${NET} a`)).code).toBe(0)
    const more = NET.replace('8.0', '9.0')
    expect((await shell(`${more} b`)).code).toBe(0)
    const alone = await shell(`${NET.replace('8.0', '7.0')} -o macvlan_mode=passthru c`)
    expect(alone.stderr).toMatch(
      /^Error response from daemon: cannot use mode passthru, macvlan network [0-9a-f]{64} is already using parent interface eth0\n$/,
    )
    await shell('docker run -itd --name c1 --network a busybox')
    const mac = await shell("docker inspect -f '{{.NetworkSettings.Networks.a.MacAddress}}' c1")
    expect(mac.stdout).toMatch(/^.[26ae]:/)
    expect(mac.stdout).not.toContain('02:42:')
    expect((await shell('docker exec c1 ip route')).stdout).not.toContain('default')
    await shell('docker network disconnect a c1')
    await shell('docker network connect a c1')
    expect((await shell('docker exec c1 ip link')).stdout).toContain(' eth0@if')
    expect((await shell(`${NET.replace('8.0', '6.5')} d`)).stderr).toBe(
      'Error response from daemon: invalid network config:\n' +
        'invalid subnet 192.168.6.5/24: it should be 192.168.6.0/24\n',
    )
    expect((await shell('docker network rm a')).stderr).toMatch(
      /network a has active endpoints \(name:"c1" id:"[0-9a-f]{12}"\)\n$/,
    )
  })
})

describe('docker in the shell', () => {
  test('says what it does not have, and never does half of it', async () => {
    const shell = await openDockerSim()
    for (const [line, told] of [
      ['docker pull alpine', 'docker pull'],
      ['docker run busybox', 'docker run on the bridge network'],
      [`${NET} --scope swarm x`, '"--scope" of docker network create'],
      ['docker network create x', 'driver bridge of docker network create'],
    ] as const) {
      const out = await shell(line)
      expect([line, out.code]).toEqual([line, 127])
      expect(out.stderr).toContain(told)
    }
    expect((await shell('docker network ls --filter driver=macvlan -q')).stdout).toBe('')
    const bare = await runCommand(openSession(openSim()), 'docker ps')
    expect(bare.stderr).toContain('docker needs a machine of a lab')
  })

  test('makes VLAN parents and takes them away again, and hides its namespaces', async () => {
    const shell = await openDockerSim()
    await shell(`${NET.replace('parent=eth0', 'parent=eth0.50')} v`)
    await shell('docker run -itd --name c1 --network v busybox')
    expect((await shell('ip link show eth0.50')).stdout).toContain('eth0.50@eth0')
    expect((await shell('ip netns')).stdout).toBe('')
    await shell('docker rm -f c1')
    await shell('docker network rm v')
    expect((await shell('ip link show eth0.50')).code).toBe(1)
  })

  test('opens a shell in a container for a terminal, and runs lines of a pipe', async () => {
    const shell = await openDockerSim()
    await shell(`${NET} a`)
    await shell('docker run -itd --name c1 --network a busybox')
    expect((await shell('docker exec -it c1 /bin/sh')).inside).toMatchObject({ container: 'c1' })
    expect((await shell('echo hostname | docker exec -i c1 sh')).stdout).toMatch(/^[0-9a-f]{12}\n$/)
    const once = await shell('docker run --network a -it --rm busybox')
    expect(once.inside?.atEnd).toMatch(/^docker rm -f /)
    expect((await shell('docker run --rm --network a busybox ping -c1 192.168.8.9')).code).toBe(0)
  })
})
