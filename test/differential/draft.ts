/** A world in the making: what has been drawn so far, and the dice. */
import type { Mac } from '../../src/addr/mac.ts'
import type { LinkSpec, Op } from '../../src/fabric/plan.ts'
import type { Random } from '../../src/sim/random.ts'
import { addressOps, netnsOps } from '../lan.ts'

/** What the drawing keeps in mind of what it has drawn. */
export interface Draft {
  readonly random: Random
  readonly prefix: string
  /**
   * Worlds without IPv6 are silent; only there may tables be tampered with (its chatter re-teaches
   * them).
   */
  readonly ip6: boolean
  readonly plan: Op[]
  readonly netns: string[]
  readonly hosts: { readonly netns: string; readonly port: string }[]
  readonly children: { readonly netns: string; readonly host: string; readonly name: string }[]
  number: number
}

export function newDraft(random: Random, prefix: string): Draft {
  const ip6 = random.next() < 0.4
  return { random, prefix, ip6, plan: [], netns: [], hosts: [], children: [], number: 0 }
}

export function addNetns(draft: Draft, name: string): string {
  const netns = draft.prefix + name
  draft.netns.push(netns)
  draft.plan.push(...netnsOps(netns, { ip6: draft.ip6, lo: chance(draft, 0.8) }))
  // How many errors may be sent in a second would make a slow machine another one than a quick one.
  for (const [key, value] of [
    ['net.ipv4.icmp_ratemask', '0'],
    ...(draft.ip6 ? [['net.ipv6.icmp.ratelimit', '0'] as const] : []),
  ] as const)
    draft.plan.push({ do: 'sysctl.set', netns, key, value })
  return netns
}

export function addresses(draft: Draft, netns: string, link: string, last?: number): void {
  const number = last ?? draft.netns.length + 1
  if (chance(draft, 0.95)) draft.plan.push(...addressOps(netns, link, number, draft.ip6))
}

/** 10.SUBNET.0.N/24 and fd00:SUBNET::N/64; subnet 9 is that of every LAN. */
export function subnetAddress(draft: Draft, netns: string, link: string, subnet: number): void {
  const last = draft.netns.length + 1
  draft.plan.push({
    do: 'address.add',
    netns,
    link,
    address: { address: ip4(subnet, last), length: 24 },
  })
  if (!draft.ip6) return
  const address = ip6(subnet, last)
  draft.plan.push({ do: 'address.add', netns, link, address: { address, length: 64 }, nodad: true })
}

export function ip4(subnet: number, last: number): number {
  return 0x0a000000 + subnet * 0x10000 + last
}

export function ip6(subnet: number, last: number): bigint {
  return (0xfd00n << 112n) + (BigInt(subnet) << 96n) + BigInt(last)
}

export function addLink(draft: Draft, netns: string, name: string, spec: LinkSpec): void {
  draft.plan.push({ do: 'link.add', netns, name, spec })
}

export function up(draft: Draft, netns: string, name: string, probability = 0.95): void {
  if (chance(draft, probability)) draft.plan.push({ do: 'link.set', netns, name, up: true })
}

export function mac(draft: Draft): Mac {
  draft.number++
  return 0x020000000000 + draft.number
}

/** Mostly a MAC already in use, now and then a bad one. */
export function someMac(draft: Draft): Mac {
  const roll = draft.random.next()
  if (roll < 0.05) return 0
  if (roll < 0.1) return 0x010203040506
  return 0x020000000000 + 1 + draft.random.below(draft.number + 2)
}

export function chance(draft: Draft, probability: number): boolean {
  return draft.random.next() < probability
}

export function pick<T>(draft: Pick<Draft, 'random'>, from: readonly T[]): T {
  return from[draft.random.below(from.length)] as T
}

/** One of several things, done. */
export function anyOf(draft: Draft, choices: readonly (() => void)[]): void {
  pick(draft, choices)()
}
