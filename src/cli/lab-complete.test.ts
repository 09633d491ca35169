import { expect, test } from 'vitest'
import { openSim } from '../sim/fabric.ts'
import { runCommand } from '../shell/run.ts'
import { openSession } from '../shell/session.ts'
import { completionsOf } from './lab-complete.ts'

const LAB = [
  'ip netns add web',
  'ip netns add gw',
  'ip netns add web/lan',
  'ip netns add web/docker/box',
  'ip -n web link add eth0 type veth peer name eth0 netns gw',
]

test.each([
  ['pin', ['ping ', 'ping6 ']],
  ['ip li', ['link ']],
  ['ip link set e', ['eth0 ']],
  ['ip link show ', ['lo ', 'eth0 ']],
  ['ip netns ad', ['add ']],
  ['ip netns exec ', ['lan ']],
  ['ip link set eth0 netns ', ['lan ']],
  ['ip netns exec lan ip -br a', ['address ']],
  ['ip netns exec lan ip link set ', ['lo ']],
  ['ip -n ', ['lan ']],
  ['ping ', ['gw ', 'web ']],
  ['ping -I ', ['lo ', 'eth0 ']],
  ['explain ', ['box ', 'gw ', 'lan ', 'web ']],
  ['true && docker exec -it ', ['box ']],
  ['docker network c', ['connect ', 'create ']],
  ['docker network rm ', []],
])('completionsOf: %s', async (line, wanted) => {
  const fabric = openSim()
  for (const one of LAB)
    expect(await runCommand(openSession(fabric), one)).toMatchObject({ code: 0 })
  const [found] = await completionsOf(fabric, 'web', line)
  expect(found.toSorted()).toEqual(wanted.toSorted())
})
