import { expect, test } from 'vitest'
import { openSim } from '../../sim/fabric.ts'
import { machineIn } from '../machine.ts'
import { runCommand } from '../run.ts'
import { openSession } from '../session.ts'

async function at(line: string): Promise<string> {
  const world = openSim()
  world.applyNow([{ do: 'netns.add', netns: 'box' }])
  const session = openSession(world, 'box', machineIn(world, 'box'))
  const { code, stdout, stderr } = await runCommand(session, line)
  return `${code} ${stdout}${stderr}`
}

test.each([
  ['uname', '0 Linux\n'],
  ['uname -rs', '0 Linux 6.18.0\n'],
  ['hostname', '0 box\n'],
  ['modprobe macvlan', '0 '],
  ['modprobe -a 8021q ipvlan', '0 '],
  ['modprobe nope', '1 modprobe: FATAL: Module nope not found in directory /lib/modules/6.18.0\n'],
  ['lsmod | grep -c ^macvlan', '0 1\n'],
  ['dig +short nobody', '0 '],
  ['nslookup nobody | tail -2', "0 ** server can't find nobody: NXDOMAIN\n\n"],
  ['ping -c1 nobody', '2 ping: nobody: Temporary failure in name resolution\n'],
  ['nc -l 80', '127 lanyard: nc -l is not part of this shell yet\n'],
])('%s', async (line, says) => {
  expect(await at(line)).toBe(says)
})
