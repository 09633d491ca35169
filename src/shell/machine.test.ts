import { expect, test } from 'vitest'
import { openSim } from '../sim/fabric.ts'
import { MachineFabric } from './machine.ts'
import { runCommand } from './run.ts'
import { openSession } from './session.ts'

function machines() {
  const world = openSim()
  world.applyNow([
    { do: 'netns.add', netns: 'a' },
    { do: 'netns.add', netns: 'b' },
    {
      do: 'link.add',
      netns: 'a',
      name: 'eth0',
      spec: { kind: 'veth', peer: { name: 'eth0', netns: 'b' } },
    },
  ])
  const at = (node: string) => async (line: string) => {
    const { code, stdout, stderr } = await runCommand(
      openSession(new MachineFabric(world, node)),
      line,
    )
    return code === 0 ? stdout : `${code} ${stderr}`
  }
  return { world, a: at('a'), b: at('b') }
}

test('a machine sees the namespaces made on it, and no other machine', async () => {
  const { world, a, b } = machines()
  await a('ip netns add ns1')
  await a('ip netns add ns2')
  await b('ip netns add ns1')
  expect([await a('ip netns list'), await b('ip netns')]).toEqual(['ns2\nns1\n', 'ns1\n'])
  expect(await a('ip netns exec b ip link')).toBe(
    '255 Cannot open network namespace "b": No such file or directory\n',
  )
  expect([...world.world.netns.keys()]).toEqual(['', 'a', 'b', 'a/ns1', 'a/ns2', 'b/ns1'])
})

test('a link goes to a namespace of the machine, and is shown as there', async () => {
  const { a } = machines()
  await a('ip netns add ns1')
  await a('ip link add link eth0 name m0 type macvlan')
  expect(await a('ip link set m0 netns ns1')).toBe('')
  expect(await a('ip -n ns1 -br link')).toMatch(/^lo .*\nm0@if2 .*/)
  await a('ip link add v0 type veth peer name v1 netns ns1')
  expect(await a('ip link show v0')).toContain('link-netns ns1')
})

test('the other end of a cable is out of sight', async () => {
  const { a } = machines()
  expect(await a('ip link show eth0')).toContain('eth0@if2')
  expect(await a('ip link show eth0')).toContain('link-netnsid 0')
})
