/**
 * What kind of kernel stands behind a fabric, where kernels differ: found out by asking it. A
 * simulator opened with the traits of a kernel refuses what that kernel refuses.
 */
import type { Fabric } from './fabric.ts'
import type { FilterVerdict } from './filter.ts'
import type { Op } from './plan.ts'

export interface KernelTraits {
  readonly version: '6.18' | '6.1'
  /** Link kinds whose module is missing: `Unknown device type.`; and `netem`. */
  readonly missingKinds: readonly string[]
  /** `net.bridge.bridge-nf-call-iptables` of a new namespace. */
  readonly bridgeNetfilter: boolean
  /** Built with CONFIG_BRIDGE_VLAN_FILTERING. */
  readonly bridgeVlanFiltering: boolean
  /** `iptables` goes through ip_tables: built-in chains are always there and cannot be removed. */
  readonly legacyFilters: boolean
  /**
   * No ICMP error is sent about ICMP of the kernel's own (a rejected echo reply): its socket is
   * locked meanwhile. A kernel for one processor takes no locks.
   */
  readonly locksIcmp: boolean
}

/**
 * Asks a fabric, in a namespace of its own that is removed again.
 *
 * @param netns a name that nobody uses
 *
 * @example
 * ```ts
 * const sim = openSim({ kernel: await detectTraits(kernel, 'lanyard-traits') })
 * ```
 */
export async function detectTraits(fabric: Fabric, netns: string): Promise<KernelTraits> {
  const works = async (...ops: readonly Op[]): Promise<boolean> =>
    (await fabric.apply(ops, { keepGoing: true })).every((outcome) => outcome.ok)
  try {
    await fabric.apply([
      { do: 'netns.add', netns },
      { do: 'link.add', netns, name: 'v0', spec: { kind: 'veth', peer: { name: 'v1' } } },
      { do: 'link.add', netns, name: 'br0', spec: { kind: 'bridge' } },
    ])
    const kinds: Record<string, Op> = {
      dummy: { do: 'link.add', netns, name: 'dummy', spec: { kind: 'dummy' } },
      vlan: { do: 'link.add', netns, name: 'vlan', spec: { kind: 'vlan', parent: 'v0', id: 5 } },
      ipvlan: { do: 'link.add', netns, name: 'ipvlan', spec: { kind: 'ipvlan', parent: 'v1' } },
      netem: { do: 'qdisc.add', netns, link: 'v0', netem: {} },
      vxlan: { do: 'link.add', netns, name: 'vxlan', spec: { kind: 'vxlan', id: 5, port: 4789 } },
    }
    const missingKinds: string[] = []
    for (const [kind, op] of Object.entries(kinds)) if (!(await works(op))) missingKinds.push(kind)
    const nf: Op = {
      do: 'sysctl.set',
      netns,
      key: 'net.bridge.bridge-nf-call-iptables',
      value: '1',
    }
    const filtering: Op = {
      do: 'link.set',
      netns,
      name: 'br0',
      bridge: { vlanFiltering: true },
    }
    return {
      version: await answersAsBefore612(fabric, netns),
      missingKinds,
      bridgeNetfilter: await works(nf),
      bridgeVlanFiltering: await works(filtering),
      legacyFilters: await hasLegacyFilters(fabric, netns),
      locksIcmp: await locksIcmp(fabric, netns),
    }
  } finally {
    await fabric.apply([{ do: 'netns.del', netns }], { keepGoing: true })
  }
}

/** Newer kernels say more when an address is there already. */
async function answersAsBefore612(fabric: Fabric, netns: string): Promise<'6.18' | '6.1'> {
  const add: Op = {
    do: 'address.add',
    netns,
    link: 'v0',
    address: { address: 0xc6336401, length: 32 },
  }
  const [, again] = await fabric.apply([add, add], { keepGoing: true })
  return again !== undefined && !again.ok && again.extack === undefined ? '6.1' : '6.18'
}

/** Whether a chain nobody spoke of yet is there to be searched: nf_tables has none. */
async function hasLegacyFilters(fabric: Fabric, netns: string): Promise<boolean> {
  const table = { netns, family: 4, table: 'filter' } as const
  const del: Op = { do: 'filter.del', ...table, chain: 'INPUT', rule: 1 }
  const [outcome] = await fabric.apply([del], { keepGoing: true })
  return outcome !== undefined && !outcome.ok && outcome.errno === 'E2BIG'
}

/** Whether a rejected echo reply goes without an error. */
async function locksIcmp(fabric: Fabric, netns: string): Promise<boolean> {
  const of = { netns, family: 4, table: 'filter', chain: 'OUTPUT', do: 'filter.add' } as const
  const rule = (icmpType: number, verdict: FilterVerdict): Op => ({
    ...of,
    rule: { match: { protocol: 1, icmpType }, verdict },
  })
  const outcomes = await fabric.apply(
    [
      { do: 'link.set', netns, name: 'lo', up: true },
      rule(3, { do: 'continue' }),
      rule(0, { do: 'reject', with: 'icmp-port-unreachable' }),
    ],
    { keepGoing: true },
  )
  if (!outcomes.every(({ ok }) => ok)) return true
  const probe = { protocol: 'icmp', from: netns, to: 0x7f000001, timeoutMs: 100 } as const
  await fabric.probe([probe])
  const { netns: seen } = await fabric.snapshot({ netns: [netns], parts: ['filters'] })
  const chains = seen[0]?.filters ?? []
  const output = chains.find(({ chain, rules }) => chain === of.chain && rules.length === 2)
  return output?.rules[0]?.packets === 0
}
