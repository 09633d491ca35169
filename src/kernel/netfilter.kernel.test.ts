/** Rules on the real kernel: made, refused, read back. */
import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeKernel } from '../../test/describe-kernel.ts'
import type { FilterOp } from '../fabric/filter.ts'
import { opsOf, parseIptables } from '../fabric/parse-iptables.ts'
import type { Op } from '../fabric/plan.ts'
import { applyPlan } from './apply.ts'
import { takeSnapshot } from './snapshot.ts'

const A = `nfk${process.pid}`

/** The ops of a command line. */
function ops(line: string): FilterOp[] {
  const [tool, ...words] = line.split(' ')
  return opsOf(A, parseIptables(words, tool === 'ip6tables' ? 6 : 4)) ?? []
}

async function errno(line: string): Promise<string | undefined> {
  const outcomes = await applyPlan(ops(line), { keepGoing: true })
  const refused = outcomes.find((outcome) => !outcome.ok)
  return refused === undefined || refused.ok ? undefined : refused.errno
}

const LINES = [
  'iptables -P FORWARD DROP',
  'iptables -N mine',
  'iptables -A INPUT -p icmp --icmp-type echo-request -j mine',
  'iptables -A FORWARD -i a -o b -m state --state RELATED,ESTABLISHED -j ACCEPT',
  'iptables -A FORWARD ! -s 10.0.0.0/8 -i a+ -p tcp --dport 80:90 -m conntrack --ctstate NEW -j REJECT',
  'iptables -I FORWARD 1 -d 10.1.2.3 -j REJECT --reject-with icmp-admin-prohibited',
  'iptables -A mine -p tcp -j REJECT --reject-with tcp-reset',
  'iptables -A mine -j RETURN',
  'iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE',
  'iptables -t nat -A POSTROUTING -p tcp -s 10.1.0.0/16 -j SNAT --to-source 1.2.3.4:100-200',
  'iptables -t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.2:80',
  'iptables -t nat -A PREROUTING -p udp --dport 53 -j REDIRECT --to-ports 5353',
  'ip6tables -A INPUT -p icmpv6 --icmpv6-type echo-request -j DROP',
  'ip6tables -A FORWARD -d fd00::/64 -j REJECT --reject-with icmp6-adm-prohibited',
]

describeKernel('netfilter on the kernel', () => {
  beforeAll(async () => {
    await applyPlan([{ do: 'netns.add', netns: A }])
  })
  afterAll(async () => {
    await applyPlan([{ do: 'netns.del', netns: A }], { keepGoing: true })
  })

  test('takeSnapshot says nothing of filters where there is no table', async () => {
    const { netns } = await takeSnapshot([A])
    expect(netns[0]).not.toHaveProperty('filters')
  })

  test('changeFilter makes what iptables lists, and takeSnapshot reads it back', async () => {
    const plan = LINES.flatMap(ops)
    await applyPlan(plan)
    const listed = spawnSync('ip', ['netns', 'exec', A, 'iptables', '-S'], { encoding: 'utf8' })
    expect(listed.stdout.split('\n')).toEqual([
      '-P INPUT ACCEPT',
      '-P FORWARD DROP',
      '-P OUTPUT ACCEPT',
      '-N mine',
      '-A INPUT -p icmp -m icmp --icmp-type 8 -j mine',
      '-A FORWARD -d 10.1.2.3/32 -j REJECT --reject-with icmp-admin-prohibited',
      '-A FORWARD -i a -o b -m state --state RELATED,ESTABLISHED -j ACCEPT',
      '-A FORWARD ! -s 10.0.0.0/8 -i a+ -p tcp -m tcp --dport 80:90 -m conntrack --ctstate NEW -j REJECT --reject-with icmp-port-unreachable',
      '-A mine -p tcp -j REJECT --reject-with tcp-reset',
      '-A mine -j RETURN',
      '',
    ])
    const { netns } = await takeSnapshot([A])
    const rules = (netns[0]?.filters ?? []).flatMap(({ family, table, chain, rules: all }) =>
      all.map(({ packets, bytes, ...rule }): Op => {
        expect([packets, bytes]).toEqual([0, 0])
        return { do: 'filter.add', netns: A, family, table, chain, rule }
      }),
    )
    const made = plan.filter((op) => op.do === 'filter.add').map(({ at: _at, ...op }) => op)
    expect(rules).toHaveLength(made.length)
    for (const op of made) expect(rules).toContainEqual(op)
  })

  test('takeSnapshot keeps what it cannot say of a rule as words', async () => {
    const args = ['-A', 'OUTPUT', '-d', '10.9.9.9', '-m', 'mark', '--mark', '0x1', '-j', 'DROP']
    spawnSync('ip', ['netns', 'exec', A, 'iptables', ...args])
    const { netns } = await takeSnapshot([A])
    const chain = netns[0]?.filters?.find(
      ({ chain: name, family }) => name === 'OUTPUT' && family === 4,
    )
    expect(chain?.rules[0]).toMatchObject({
      match: { to: { address: 0x0a090909, length: 32 } },
      verdict: { do: 'drop' },
      beyond: '-m mark --mark 0x1',
    })
  })

  test('changeFilter answers by errno, as the simulator does', async () => {
    expect(await errno('iptables -F')).toBeUndefined()
    expect(await errno('iptables -A nope -j DROP')).toBe('ENOENT')
    expect(await errno('iptables -A INPUT -j nope')).toBe('ENOENT')
    expect(await errno('iptables -D INPUT 1')).toBe('E2BIG')
    expect(await errno('iptables -I INPUT 2 -j DROP')).toBe('E2BIG')
    expect(await errno('iptables -D INPUT -j DROP')).toBe('ENOENT')
    expect(await errno('iptables -N INPUT')).toBe('EEXIST')
    expect(await errno('iptables -A INPUT -j MASQUERADE')).toBe('EINVAL')
    expect(await errno('iptables -t nat -A PREROUTING -j MASQUERADE')).toBe('EINVAL')
    expect(await errno('iptables -t nat -A POSTROUTING -j REJECT')).toBe('EINVAL')
    expect(await errno('iptables -A INPUT -j REJECT --reject-with tcp-reset')).toBe('EINVAL')
    expect(await errno('iptables -N a')).toBeUndefined()
    expect(await errno('iptables -A a -j a')).toBeUndefined()
    expect(await errno('iptables -A INPUT -j a')).toBe('EMLINK')
    expect(await errno('iptables -F a')).toBeUndefined()
    expect(await errno('iptables -A INPUT -j INPUT')).toBe('EOPNOTSUPP')
    expect(await errno('iptables -A INPUT -j a')).toBeUndefined()
    expect(await errno('iptables -X a')).toBe('EBUSY')
    expect(await errno('iptables -D INPUT -j a')).toBeUndefined()
    expect(await errno('iptables -X a')).toBeUndefined()
  })
})
