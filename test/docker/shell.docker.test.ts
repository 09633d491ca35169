/**
 * `docker` of the shell beside a real one (20.10): the same lines on both, in order, and the same
 * text and exit status, but for ids, moments and times.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeDocker } from '../describe-docker.ts'
import { openDockerSim } from '../shell/docker-world.ts'
import type { Output } from '../../src/shell/session.ts'
import { DockerWorld } from './world.ts'

const CREATE = 'network create -d macvlan --subnet=192.168.9.0/24'
const LINES: readonly string[] = [
  'network create -d macvlan --subnet=192.168.8.0/24 --gateway=192.168.8.1 -o parent=eth0 mcv',
  'network create -d macvlan --subnet=192.168.8.0/24 --gateway=192.168.8.1 -o parent=eth0 mcv',
  'network create -d macvlan --subnet=192.168.8.0/24 --gateway=192.168.8.1 -o parent=eth0 mcv2',
  `${CREATE} --gateway=192.168.9.1 -o parent=eth0 mcv2`,
  `${CREATE} -o parent=nosuch mcv2`,
  `${CREATE} -o parent=nosuch.50 mcv2`,
  `${CREATE} -o parent=lo mcv2`,
  `${CREATE} -o parent=eth0 -o macvlan_mode=foo mcv2`,
  `${CREATE} -o parent=eth0.4095 mcv2`,
  `${CREATE} -o parent=eth0.abc mcv2`,
  `${CREATE} -o parent=eth0.1.2 mcv2`,
  'network create -d nosuch n',
  'network create',
  'network create a b',
  'network create -d macvlan --gateway=192.168.9.1 -o parent=eth0 x',
  `${CREATE} --gateway=192.168.7.1 -o parent=eth0 x`,
  `${CREATE} --ip-range=192.168.7.0/25 -o parent=eth0 x`,
  'network create -d macvlan --subnet=192.168.9.0 -o parent=eth0 x',
  'network create --nosuch x',
  'network ls --filter driver=macvlan',
  'network inspect mcv',
  'network inspect nosuch',
  'run -itd --name b1 --ip=192.168.8.11 --network mcv busybox sh',
  'run -itd --name b1 --network mcv busybox sh',
  'run -itd --name b2 --ip=192.168.8.11 --network mcv busybox sh',
  'run -itd --name b3 --ip=192.168.9.11 --network mcv busybox sh',
  'run -itd --name b4 --network nosuch busybox sh',
  'run -itd --name b5 --network mcv --mac-address zz busybox sh',
  'run --rm --network mcv busybox ip addr show eth0',
  'ps',
  'ps -a',
  'exec b1 ip a',
  'exec b1 ip route',
  'exec nosuch ip a',
  'exec b1',
  'exec b1 nosuchcmd',
  'exec b1 ping -c 1 -W 5 192.168.8.1',
  'exec b1 ping -c 1 -W 1 192.168.8.110',
  'exec b1 ping -c 1 -W 1 nosuch',
  'network inspect mcv',
  'inspect nosuch',
  'network rm mcv',
  'network disconnect mcv b1',
  'network disconnect mcv b1',
  'exec b1 ip a',
  'network connect mcv b1',
  'network connect mcv b1',
  'network connect --ip 192.168.8.77 mcv nosuch',
  'exec b1 ip a',
  'stop -t 0 b1',
  'ps -a',
  'exec b1 ip a',
  'inspect --format {{.State.Status}} b1',
  'start b1',
  'exec b1 ip a',
  'rm b1',
  'rm -f b1',
  'rm nosuch',
  'rm -f nosuch',
  'rm -fv b2 b3',
  'stop nosuch',
  'start nosuch',
  'network rm nosuch',
  'network rm host',
  'network prune -f',
  // A gateway nobody asked for, and never shown.
  'network create -d macvlan --subnet=192.168.8.0/24 --ip-range=192.168.8.64/26 -o parent=eth0 m1',
  'run -itd --name c1 --network m1 busybox sh',
  'exec c1 ip route',
  'network inspect m1',
  'inspect --format {{json .NetworkSettings.Networks}} c1',
  'run --net=none -itd --name n1 busybox sh',
  'exec n1 ip a',
  'network',
  'network foo',
  'foo',
  'ps --foo',
  'network prune',
]

/** What must differ: ids, moments, times, the number of a link, and of how long ago. */
function comparable(text: string): string {
  return text
    .replace(/[0-9a-f]{64}/g, 'ID')
    .replace(/\b(dm-)?[0-9a-f]{12}\b/g, '$1id')
    .replace(/"20\d\d-\d\d-\d\dT[^"]*"/g, '"MOMENT"')
    .replace(/^\d+: eth(\d)@if\d+/gm, 'N: eth$1@ifN')
    .replace(/time=[\d.]+ ms/g, 'time=T')
    .replace(/= [\d./]+ ms/g, '= T')
    .replace(/(\d+|About a|Less than a) (second|minute)s?( ago)?/g, 'WHILE$3')
    .replace(/ {2,}/g, '  ')
    .trim()
}

const told = (out: { readonly stdout: string; readonly stderr: string }): string =>
  comparable(`${out.stdout}\n${out.stderr}`)

describeDocker('docker of the shell', () => {
  const world = new DockerWorld()
  let shell: (line: string) => Promise<Output>

  beforeAll(async () => {
    await world.open()
    await world.startDockerd()
    world.importImage()
    world.docker('tag bb busybox')
    shell = await openDockerSim()
  }, 300_000)
  afterAll(() => world.close())

  test(`prints what Docker 20.10 prints, line by line (${LINES.length} lines)`, async () => {
    const wrong: unknown[] = []
    for (const line of LINES) {
      const real = world.tryDockerWords(splitTemplate(line))
      const ours = await shell(`docker ${line.replace(/\{\{.*\}\}/, "'$&'")}`)
      const [want, have] = [
        [real.status, told(real)],
        [ours.code, told(ours)],
      ]
      if (JSON.stringify(want) !== JSON.stringify(have)) wrong.push({ line, want, have })
    }
    expect(wrong).toEqual([])
  }, 300_000)
})

/** A template is one word, blanks and all. */
function splitTemplate(line: string): string[] {
  return line.match(/\{\{.*\}\}|\S+/g) ?? []
}
