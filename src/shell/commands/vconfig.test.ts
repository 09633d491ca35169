/** What Debian's vconfig (vlan 2.0.5) printed on a real machine. */
import { expect, test } from 'vitest'
import { openSim } from '../../sim/fabric.ts'
import { machineIn } from '../machine.ts'
import { runCommand } from '../run.ts'
import { openSession, type Output } from '../session.ts'

const WARNING =
  '\nWarning: vconfig is deprecated and might be removed in the future, please migrate to ' +
  'ip(route2) as soon as possible!\n\n'

async function at(line: string): Promise<Output> {
  const world = openSim()
  world.applyNow([
    { do: 'netns.add', netns: 'box' },
    { do: 'link.add', netns: 'box', name: 'eth0', spec: { kind: 'dummy' } },
  ])
  const session = openSession(world, 'box', machineIn(world, 'box', world))
  return runCommand(session, line)
}

test.each([
  ['vconfig add eth0', 3, 'Error: argument "" is wrong: id is invalid\n', ''],
  ['vconfig foo a b', 5, 'Unknown command: foo\n', ''],
  ['vconfig rem nosuch', 4, 'Cannot find device "nosuch"\n', ''],
  ['vconfig add nosuch 5', 3, 'Cannot find device "nosuch"\n', ''],
  ['vconfig set_flag eth0 1', 7, 'Invalid flag parameter specified\n', 'eth0 1 \n'],
  ['vconfig set_flag nosuch 1 1', 7, 'Cannot find device "nosuch"\n', 'nosuch 1 1\n'],
  ['vconfig set_flag eth0 1 1', 7, 'RTNETLINK answers: Operation not supported\n', 'eth0 1 1\n'],
])('%s', async (line, code, stderr, stdout) => {
  expect(await at(line)).toEqual({ code, stdout, stderr: WARNING + stderr })
})

test('without words it says which there are', async () => {
  const { code, stdout, stderr } = await at('vconfig')
  expect([code, stderr]).toEqual([1, `${WARNING}Expecting argc to be 3-5, inclusive.  Was: 1\n`])
  expect(stdout).toMatch(/^\nUsage: add {13}\[interface-name\] \[vlan_id\]\n/)
})

test.each([
  ['VLAN_PLUS_VID', 'vlan0005'],
  ['VLAN_PLUS_VID_NO_PAD', 'vlan5'],
  ['DEV_PLUS_VID', 'eth0.0005'],
  ['DEV_PLUS_VID_NO_PAD', 'eth0.5'],
])('set_name_type %s', async (type, name) => {
  const { stdout } = await at(
    `vconfig set_name_type ${type} && vconfig add eth0 5 && ip -br link show ${name}`,
  )
  expect(stdout).toContain(`${name}@eth0 `)
})
