/** Small worlds for tests of the protocol stack. */
import { parseIp } from '../../src/addr/ip.ts'
import { parsePrefix } from '../../src/addr/prefix.ts'
import type { ProbeResult } from '../../src/fabric/fabric.ts'
import type { Op } from '../../src/fabric/plan.ts'
import { runProbes } from '../../src/sim/ip/probe.ts'
import { writeSysctl } from '../../src/sim/ip/sysctl.ts'
import type { KernelTraits } from '../../src/fabric/traits.ts'
import type { Device, Refusal, World } from '../../src/sim/model.ts'
import { runUntil } from '../../src/sim/run.ts'
import { applyOp, createWorld } from '../../src/sim/world.ts'
import type { Frame } from '../../src/wire/frame.ts'

export const SECOND = 1e9

/** Does an op and what follows at once. */
export function apply(world: World, op: Op): Refusal | undefined {
  const refusal = applyOp(world, op)
  runUntil(world, world.now)
  return refusal
}

/** Does ops that must succeed. */
export function build(world: World, ...ops: readonly Op[]): World {
  for (const op of ops) {
    const refusal = apply(world, op)
    if (refusal !== undefined) throw new Error(`${op.do}: ${refusal.errno} ${refusal.extack}`)
  }
  return world
}

export function pass(world: World, seconds: number): void {
  runUntil(world, world.now + seconds * SECOND)
}

export function deviceOf(world: World, netns: string, name = 'e0'): Device {
  return world.netns.get(netns)?.byName.get(name) as Device
}

export const netns = (name: string): Op => ({ do: 'netns.add', netns: name })
export const up = (where: string, name = 'e0', on = true): Op => ({
  do: 'link.set',
  netns: where,
  name,
  up: on,
})
export const address = (where: string, text: string, more: object = {}): Op => ({
  do: 'address.add',
  netns: where,
  link: 'e0',
  address: parsePrefix(text),
  ...more,
})
export const route = (where: string, to: string, more: object = {}): Op => ({
  do: 'route.add',
  netns: where,
  to: parsePrefix(to),
  ...more,
})
export const cable = (a: string, b: string, nameA = 'e0', nameB = 'e0'): Op => ({
  do: 'link.add',
  netns: a,
  name: nameA,
  spec: { kind: 'veth', peer: { name: nameB, netns: b } },
})

export function sysctl(world: World, where: string, key: string, value: string | number): void {
  const there = world.netns.get(where)
  if (there === undefined) throw new Error(where)
  const refusal = writeSysctl(world, there, key, String(value))
  if (refusal !== undefined) throw new Error(`${key}: ${refusal.errno}`)
}

/** Namespaces a and b on one cable, 10.9.0.1 and .2, fd00::1 and ::2, lo up. */
export function pair(kernel: Partial<KernelTraits> = {}): World {
  const world = createWorld({ kernel })
  return build(
    world,
    netns('a'),
    netns('b'),
    up('a', 'lo'),
    up('b', 'lo'),
    cable('a', 'b'),
    address('a', '10.9.0.1/24'),
    address('b', '10.9.0.2/24'),
    address('a', 'fd00::1/64', { nodad: true }),
    address('b', 'fd00::2/64', { nodad: true }),
    up('a'),
    up('b'),
  )
}

/** h1 - r - h2: 10.1.0.0/24 and 10.2.0.0/24, r forwards, default routes to r; links e1, e2 of r. */
export function routed(): World {
  const world = createWorld()
  build(world, netns('h1'), netns('r'), netns('h2'), up('h1', 'lo'), up('r', 'lo'), up('h2', 'lo'))
  sysctl(world, 'r', 'net.ipv4.ip_forward', 1)
  sysctl(world, 'r', 'net.ipv6.conf.all.forwarding', 1)
  return build(
    world,
    cable('h1', 'r', 'e0', 'e1'),
    cable('h2', 'r', 'e0', 'e2'),
    up('h1'),
    up('h2'),
    up('r', 'e1'),
    up('r', 'e2'),
    address('h1', '10.1.0.2/24'),
    address('h2', '10.2.0.2/24'),
    { ...address('r', '10.1.0.1/24'), link: 'e1' } as Op,
    { ...address('r', '10.2.0.1/24'), link: 'e2' } as Op,
    address('h1', 'fd01::2/64', { nodad: true }),
    address('h2', 'fd02::2/64', { nodad: true }),
    { ...address('r', 'fd01::1/64', { nodad: true }), link: 'e1' } as Op,
    { ...address('r', 'fd02::1/64', { nodad: true }), link: 'e2' } as Op,
    route('h1', '0.0.0.0/0', { via: parseIp('10.1.0.1') }),
    route('h2', '0.0.0.0/0', { via: parseIp('10.2.0.1') }),
    route('h1', '::/0', { via: parseIp('fd01::1') }),
    route('h2', '::/0', { via: parseIp('fd02::1') }),
  )
}

export function ping(world: World, from: string, to: string, more: object = {}): ProbeResult {
  const results = runProbes(world, [{ protocol: 'icmp', from, to: parseIp(to), ...more }])
  return results[0] as ProbeResult
}

/** The result in a few words. */
export function words(result: ProbeResult): string {
  if (result.outcome === 'reply') return `reply ttl=${result.ttl}`
  if (result.outcome === 'icmp-error') return `icmp ${result.type}/${result.code}`
  return result.outcome === 'errno' ? result.errno : 'timeout'
}

/** Frames that leave a link while something is done, with their times in seconds. */
export function capture(
  world: World,
  dev: Device,
  action: () => void,
): { readonly t: number; readonly frame: Frame }[] {
  const seen: { t: number; frame: Frame }[] = []
  const start = world.now
  world.taps.set(dev.id, [
    {
      etherType: undefined,
      see: (timeNs, frame, type) => {
        if (type === 4) seen.push({ t: (timeNs - start) / SECOND, frame })
      },
    },
  ])
  action()
  world.taps.delete(dev.id)
  return seen
}
