/** `explain --live` and `doctor` beside a real dockerd and podman with containers on the LAN. */
import { spawnSync } from 'node:child_process'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { explainSchema } from '../../src/lab/explain-schema.ts'
import { describeDocker } from '../describe-docker.ts'
import { buildProgram, PROGRAM, removeProgram } from '../support/program.ts'
import { DockerWorld, type Ran } from './world.ts'

/** Without the machine's settings; runc takes control groups of every sort. */
const PODMAN = [
  'podman',
  '--cgroup-manager=cgroupfs',
  '--runtime=runc',
  '--storage-driver=vfs',
  '--network-config-dir=/run/podman-networks',
]
const NETWORK = '--subnet 192.168.8.0/24 --gateway 192.168.8.1 -o parent=eth0'
const hasPodman = spawnSync('sh', ['-c', 'command -v podman']).status === 0
const podmanToo = hasPodman || process.env['CI'] === 'true'

describeDocker('explain --live beside real engines', () => {
  let world: DockerWorld
  const explain = (...words: readonly string[]): Ran =>
    world.run(process.execPath, PROGRAM, 'explain', ...words, '--live', '--json')
  const told = ({ stdout, stderr }: Ran) => {
    expect(stderr).toBe('')
    return explainSchema.parse(JSON.parse(stdout))
  }

  beforeAll(buildProgram)
  afterAll(removeProgram)
  beforeEach(async () => {
    world = new DockerWorld()
    await world.open()
  })
  afterEach(async () => await world.close())

  test('containers are called as docker ps calls them', async () => {
    await world.startDockerd()
    world.importImage()
    world.docker(`network create -d macvlan ${NETWORK} lan`)
    world.docker('run -d --name web --network lan bb sleep 1000')
    world.docker('run -d --name db --network lan bb sleep 1000')
    const address = world.docker(
      'inspect web --format {{range.NetworkSettings.Networks}}{{.IPAddress}}{{end}}',
    )
    expect(told(explain('host', 'web'))).toMatchObject({
      cause: 'MACVLAN_HOST_TO_CHILD',
      headline: `host cannot reach web ${address}, its own macvlan child`,
      live: { agrees: true },
    })
    expect(told(explain('web', 'db'))).toMatchObject({ verdict: 'ok', live: { agrees: true } })
    const wrong = explain('host', 'wep')
    expect(wrong.status).toBe(2)
    expect(wrong.stderr).toContain('did you mean "web"?')
    const shim = told(explain('host', 'web')).remedies.findIndex((r) => r.title.includes('shim0'))
    const fixed = world.run(
      ...[process.execPath, PROGRAM, 'explain', 'host', 'web', '--live'],
      ...['--fix', `${shim + 1}`, '--yes'],
    )
    expect(fixed.stdout).toContain('verified: ping ok')
    expect(world.pings(address)).toBe(true)
  })

  test.skipIf(!podmanToo)(
    `containers are called as podman ps calls them${podmanToo ? '' : ' (skipped: needs podman)'}`,
    () => {
      const podman = (line: string): string => world.ok(...PODMAN, ...line.split(' ')).trim()
      // In place of the machine's own: what podman keeps goes with the world.
      world.ok('mount', '-t', 'tmpfs', 'tmpfs', '/var/lib')
      podman(`import ${world.imageTar()} bb`)
      podman(`network create -d macvlan ${NETWORK} lan`)
      const names = ['pihole', 'unifi']
      for (const name of names) podman(`run -d --name ${name} --network lan bb sleep 1000`)
      expect(told(explain('host', 'pihole'))).toMatchObject({
        cause: 'MACVLAN_HOST_TO_CHILD',
        headline: expect.stringMatching(/^host cannot reach pihole 192\.168\.8\.\d+, its own/),
        live: { agrees: true },
      })
      expect(told(explain('pihole', 'unifi'))).toMatchObject({
        verdict: 'ok',
        live: { agrees: true },
      })
      // Its control groups, too.
      podman(`rm --force --time 0 ${names.join(' ')}`)
    },
  )
})
