/** A host on a simulator, for what the engine refuses: a card, a bridge with a port, sandboxes. */
import { type HostEngine, openEngine } from '../../src/engine/engine.ts'
import type { NetworkSpec } from '../../src/engine/types.ts'
import type { LanyardError } from '../../src/errors.ts'
import type { Op } from '../../src/fabric/plan.ts'
import { openSim, type SimFabric } from '../../src/sim/fabric.ts'
import { openMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { LAN4 } from '../lan.ts'

const veth = (name: string): Op => ({
  do: 'link.add',
  netns: '',
  name,
  spec: { kind: 'veth', peer: { name: `${name}x` } },
  up: true,
})

/** A host with a card, a bridge with a port, and two namespaces. */
export async function host(missingKinds: readonly string[] = []): Promise<{
  readonly engine: HostEngine
  readonly sim: SimFabric
  readonly store: Store
}> {
  const sim = openSim({ seed: 1, kernel: { missingKinds } })
  await sim.apply([
    veth('eth0'),
    { do: 'link.set', netns: '', name: 'eth0x', up: true },
    { do: 'address.add', netns: '', link: 'eth0', address: { address: LAN4 + 2, length: 24 } },
    veth('eth1'),
    { do: 'link.add', netns: '', name: 'br0', spec: { kind: 'bridge' }, up: true },
    { do: 'link.set', netns: '', name: 'eth1', master: 'br0' },
    { do: 'netns.add', netns: 'box1' },
    { do: 'netns.add', netns: 'box2' },
  ])
  const store = openMemoryStore()
  return { engine: await openOn(sim, store), sim, store }
}

export function lan(changes: Partial<NetworkSpec> = {}): NetworkSpec {
  return {
    name: 'lan',
    kind: 'macvlan',
    parent: 'eth0',
    pools: [{ subnet: { address: LAN4, length: 24 }, gateway: LAN4 + 1, exclude: [] }],
    hostAccess: false,
    internal: false,
    check: 'never',
    attach: 'child',
    labels: {},
    ...changes,
  }
}

/** The error a refusal is; that it is one is expected. */
export async function failureOf(work: Promise<unknown>): Promise<LanyardError> {
  return await work.then(
    () => Promise.reject(new Error('it was not refused')),
    (error: unknown) => error as LanyardError,
  )
}

/** An engine on what is there; a second one is what a restart gives. */
export async function openOn(fabric: SimFabric, store: Store): Promise<HostEngine> {
  return await openEngine({
    fabric,
    store,
    random: (count) => new Uint8Array(count).fill(7),
    now: () => 1_700_000_000_000,
  })
}
