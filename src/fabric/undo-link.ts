/** The former values of what a `link.set` changed. */
import type { LinkAttributes, LinkSet, MacvlanOptions, PortOptions } from './plan.ts'
import type { LinkSnapshot } from './snapshot.ts'

type Restored = LinkAttributes & Pick<LinkSet, 'macvlan' | 'ipvlan' | 'bridge' | 'port'>

/**
 * The part of `link.set` that brings back what the op changed.
 *
 * @returns `complete`: false when the op changed something whose former value is not known
 */
export function restoreLink(
  op: LinkSet,
  former: LinkSnapshot | undefined,
): { readonly attributes: Restored; readonly complete: boolean } {
  const asked = ATTRIBUTES.filter((name) => op[name] !== undefined)
  const parts = (['macvlan', 'ipvlan', 'bridge', 'port'] as const).filter(
    (name) => op[name] !== undefined,
  )
  if (former === undefined) {
    return { attributes: {}, complete: asked.length === 0 && parts.length === 0 }
  }
  const plain = Object.fromEntries(asked.map((name) => [name, formerAttribute(former, name)]))
  const attributes: Restored = {
    ...plain,
    ...part('macvlan', op.macvlan && former.macvlan && macvlanBack(op.macvlan, former.macvlan)),
    ...part('ipvlan', op.ipvlan && former.ipvlan && pick(op.ipvlan, former.ipvlan)),
    ...part('bridge', op.bridge && former.bridge && pick(op.bridge, former.bridge)),
    ...part('port', op.port && former.port && pick<PortOptions>(op.port, former.port)),
  }
  return { attributes, complete: parts.every((name) => attributes[name] !== undefined) }
}

const ATTRIBUTES = [
  'address',
  'mtu',
  'up',
  'promisc',
  'allmulticast',
  'arp',
  'txQueueLength',
  'group',
  'alias',
  'master',
] as const satisfies readonly (keyof LinkAttributes)[]

function formerAttribute(
  former: LinkSnapshot,
  name: (typeof ATTRIBUTES)[number],
): LinkAttributes[typeof name] {
  if (name === 'master') return former.master ?? null
  // An empty alias takes it away.
  if (name === 'alias') return former.alias ?? ''
  return former[name]
}

function part<K extends string, V>(name: K, value: V | undefined): { readonly [k in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [k in K]?: V })
}

/** The former values of the keys that were asked for. */
function pick<T extends object>(asked: T, former: Required<T>): T {
  const keys = Object.keys(asked) as (keyof T)[]
  return Object.fromEntries(keys.map((key) => [key, former[key]])) as T
}

function macvlanBack(
  asked: MacvlanOptions,
  former: NonNullable<LinkSnapshot['macvlan']>,
): MacvlanOptions {
  const { sources, ...rest } = asked
  const plain = pick(rest, former)
  if (sources === undefined) return plain
  return { ...plain, sources: { change: 'set', macs: former.sources } }
}
