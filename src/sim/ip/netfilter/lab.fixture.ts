/** Three namespaces in a row for the tests of netfilter: `h1`, the router `r`, `h2`. */
import { parseIp } from '../../../addr/ip.ts'
import { parsePrefix } from '../../../addr/prefix.ts'
import type { Probe, ProbeResult } from '../../../fabric/fabric.ts'
import { opsOf, parseIptables } from '../../../fabric/parse-iptables.ts'
import type { Op } from '../../../fabric/plan.ts'
import type { Refusal, World } from '../../model.ts'
import { runUntil } from '../../run.ts'
import { applyOp, createWorld } from '../../world.ts'
import { runProbes } from '../probe.ts'
import { netnsIp } from '../state.ts'
import type { Netfilter } from './state.ts'

/** h1 10.1.0.2 fd01::2 - r 10.1.0.1, 10.2.0.1 fd01::1, fd02::1 - h2 10.2.0.2 fd02::2 */
export function routerWorld(): World {
  const world = createWorld({ seed: 3 })
  const ops: Op[] = ['h1', 'r', 'h2'].flatMap((netns): Op[] => [
    { do: 'netns.add', netns },
    { do: 'link.set', netns, name: 'lo', up: true },
  ])
  for (const n of [1, 2]) {
    const netns = `h${n}`
    ops.push(
      {
        do: 'link.add',
        netns: 'r',
        name: `p${n}`,
        spec: { kind: 'veth', peer: { name: 'eth0', netns } },
      },
      ...side('r', `p${n}`, [`10.${n}.0.1/24`, `fd0${n}::1/64`]),
      ...side(netns, 'eth0', [`10.${n}.0.2/24`, `fd0${n}::2/64`]),
      { do: 'route.add', netns, to: parsePrefix('0.0.0.0/0'), via: parseIp(`10.${n}.0.1`) },
      { do: 'route.add', netns, to: parsePrefix('::/0'), via: parseIp(`fd0${n}::1`) },
    )
  }
  for (const key of ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding'])
    ops.push({ do: 'sysctl.set', netns: 'r', key, value: '1' })
  for (const op of ops) {
    const refusal = applyOp(world, op)
    if (refusal !== undefined) throw new Error(`${op.do}: ${refusal.errno} ${refusal.extack}`)
  }
  // Link-local addresses are past duplicate address detection.
  runUntil(world, 4_000_000_000)
  return world
}

function side(netns: string, link: string, addresses: readonly string[]): Op[] {
  return [
    { do: 'link.set', netns, name: link, up: true },
    ...addresses.map(
      (text): Op => ({
        do: 'address.add',
        netns,
        link,
        address: parsePrefix(text),
        nodad: true,
      }),
    ),
  ]
}

/** A command line of iptables or ip6tables. @returns what its last op was refused with */
export function iptables(world: World, netns: string, line: string): Refusal | undefined {
  const [tool, ...words] = line.split(' ')
  const command = parseIptables(words, tool === 'ip6tables' ? 6 : 4)
  let refusal: Refusal | undefined
  for (const op of opsOf(netns, command) ?? []) refusal = applyOp(world, op)
  return refusal
}

export function ping(
  world: World,
  from: string,
  to: string,
  more: Partial<Extract<Probe, { protocol: 'icmp' }>> = {},
): ProbeResult {
  return one(world, { protocol: 'icmp', from, to: parseIp(to), ...more })
}

export function connect(
  world: World,
  protocol: 'tcp' | 'udp',
  from: string,
  to: string,
  port: number,
): ProbeResult {
  return one(world, { protocol, from, to: parseIp(to), port })
}

function one(world: World, probe: Probe): ProbeResult {
  return runProbes(world, [probe])[0] as ProbeResult
}

/** What a result comes to in a word: `ttl 63`, `3/13 10.1.0.1`, `EPERM`, `timeout`. */
export function word(result: ProbeResult): string {
  switch (result.outcome) {
    case 'reply':
      return result.ttl === undefined ? 'open' : `ttl ${result.ttl}`
    case 'icmp-error':
      return `${result.type}/${result.code}`
    case 'errno':
      return result.errno
    case 'timeout':
      return 'timeout'
  }
}

export function netfilterOf(world: World, netns: string): Netfilter {
  const found = world.netns.get(netns)
  const nf = found && netnsIp(found).netfilter
  if (nf === undefined) throw new Error(`no rules in ${netns}`)
  return nf
}

/** Packets each rule of a chain took. */
export function counts(
  world: World,
  netns: string,
  table: 'filter' | 'nat',
  chain: string,
): number[] {
  const rules = netfilterOf(world, netns).tables[4].get(table)?.get(chain)?.rules ?? []
  return rules.map(({ packets }) => packets)
}
