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
  ['arping -c1 nobody', '2 arping: nobody: Name or service not known\n'],
  [
    'x=1',
    '127 lanyard: "x=1" is not part of this shell yet; of its language are pipes, && || ; &, ( ), $( ) and for\n',
  ],
  ['nc -l 80', '127 lanyard: nc -l is not part of this shell yet\n'],
])('%s', async (line, says) => {
  expect(await at(line)).toBe(says)
})

test.each(['echo $HOME', 'echo "${HOME}"', 'ping $HOME', 'for n in $HOME; do echo $n; done'])(
  'a variable that nobody keeps is no empty word: %s',
  async (line) => {
    const why = 'no variable HOME: this shell keeps none but $? and those of "for"'
    expect(await at(line)).toBe(`127 lanyard: ${why}\n`)
  },
)

test.each([
  ['echo $1', 'no variable 1:'],
  ['echo $$', 'no variable $:'],
  ['echo ${x:-y}', 'no variable x:-y:'],
])('%s', async (line, says) => {
  expect(await at(line)).toContain(`127 lanyard: ${says}`)
})

test('a lone $, one in quotes and the one of a loop are as ever', async () => {
  expect(await at(`echo $ '$HOME' a\\$b; for n in 1 2; do echo "$n\${n}"; done`)).toBe(
    '0 $ $HOME a$b\n11\n22\n',
  )
})

test('arping takes the name of another machine', async () => {
  const world = openSim()
  for (const line of [
    'ip netns add box',
    'ip netns add gw',
    'ip -n box link add eth0 type veth peer name eth0 netns gw',
    'ip -n box link set eth0 up',
    'ip -n gw link set eth0 up',
    'ip -n box addr add 10.0.0.1/24 dev eth0',
    'ip -n gw addr add 10.0.0.2/24 dev eth0',
  ])
    expect(await runCommand(openSession(world), line)).toMatchObject({ code: 0 })
  const session = openSession(world, 'box', machineIn(world, 'box'))
  const { stdout } = await runCommand(session, 'arping -c1 gw')
  expect(stdout).toContain('Unicast reply from 10.0.0.2 ')
})
