/**
 * What the built-in drivers refuse, and how (the texts of moby's macvlan and ipvlan): ours refuses
 * each too, as one line through the docker client that says what mends it, and leaves nothing.
 */
import { expect } from 'vitest'
import { describeDocker } from '../describe-docker.ts'
import { inWorld } from './inside.ts'

const OURS = 'network create -d lanyard --ipam-driver lanyard --subnet 192.168.8.0/24'

/** What is typed, and what the line says. */
const REFUSED: Readonly<Record<string, readonly [string, RegExp]>> = {
  'bad macvlan mode': [`${OURS} -o parent=eth0 -o macvlan_mode=foo x`, /foo.*bridge/],
  'bad ipvlan mode': [`${OURS} -o parent=eth0 -o ipvlan_mode=foo x`, /foo.*l2/],
  'bad ipvlan flag': [
    `${OURS} -o parent=eth0 -o ipvlan_mode=l2 -o ipvlan_flag=x y`,
    /"?x"?.*bridge/,
  ],
  'loopback as parent': [`${OURS} -o parent=lo x`, /lo\b/],
  'parent missing': [`${OURS} -o parent=nosuch x`, /nosuch/],
  'parent of a VLAN missing': [`${OURS} -o parent=nosuch.10 x`, /nosuch/],
  'VLAN id too large': [`${OURS} -o parent=eth0.4095 x`, /4095/],
  'VLAN id no number': [`${OURS} -o parent=eth0.abc x`, /vlan id from: abc/],
  'VLAN in a VLAN by name': [`${OURS} -o parent=eth0.10.20 x`, /eth0\.10\.20/],
  'no pool': ['network create -d lanyard --ipam-driver null -o parent=eth0 x', /pool is empty/],
  'option that does not exist': [`${OURS} -o parnt=eth0 x`, /did you mean "parent"/],
}

inWorld(
  'what the built-in drivers refuse',
  (hands, add) => {
    for (const [name, [line, says]] of Object.entries(REFUSED))
      add(name, () => {
        const { status, stderr } = hands.world.tryDocker(line)
        const lines = stderr
          .trim()
          .split('\n')
          .filter((one) => one !== 'exit status 1')
        expect([line, status, lines.length, lines[0]]).toEqual([
          line,
          1,
          1,
          expect.stringMatching(/^Error response from daemon: remote: /),
        ])
        expect(lines[0]).toMatch(says)
        expect(lines[0]).not.toMatch(/defect in Lanyard|\bat \S+:\d+/)
        expect(hands.docker('network ls -q --filter driver=lanyard')).toBe('')
      })

    add('an address on the network already, as MAC: one line at the start', () => {
      hands.create('--subnet 192.168.8.0/24 -o parent=eth0 lan')
      hands.run('c1', '--network lan --mac-address 02:42:aa:bb:cc:01')
      const line = hands.fails(
        'run --name c2 --network lan --mac-address 02:42:aa:bb:cc:01 bb true',
      )
      expect(line).toMatch(/remote: .*02:42:aa:bb:cc:01/)
    })

    add('parent gone when a container starts', () => {
      const { world } = hands
      world.ok('ip', 'link', 'add', 'gone0', 'type', 'veth', 'peer', 'name', 'gone1')
      hands.create('--subnet 10.77.0.0/24 -o parent=gone0 lan')
      world.ok('ip', 'link', 'del', 'gone0')
      const line = hands.fails('run --name c1 --network lan bb true')
      expect(line).toMatch(/remote: .*gone0/)
    })

    add('a second container on a passthru network', () => {
      const { world } = hands
      world.ok('ip', 'link', 'add', 'whole0', 'type', 'veth', 'peer', 'name', 'whole1')
      hands.create('--subnet 10.78.0.0/24 -o parent=whole0 -o macvlan_mode=passthru lan')
      hands.run('c1', '--network lan')
      const line = hands.fails('run --name c2 --network lan bb true')
      expect(line).toMatch(/remote: .*passthru/)
    })
  },
  describeDocker,
)
