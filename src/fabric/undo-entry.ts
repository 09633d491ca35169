/** The way back of ops on entries: addresses, routes, neighbours, rules, forwarding, sysctls. */
import { samePrefix } from '../addr/prefix.ts'
import type {
  AddressChange,
  BridgeVlanChange,
  FdbChange,
  LinkAdd,
  LinkSet,
  NeighbourChange,
  Op,
  OpOf,
  RouteChange,
  RouteType,
  RuleChange,
} from './plan.ts'
import type { AddressSnapshot, NetnsSnapshot, RouteSnapshot } from './snapshot.ts'
import type { QdiscChange } from './netem.ts'
import { undoFilter } from './undo-filter.ts'
import type { Former } from './undo-former.ts'

type EntryOp = Exclude<
  Op,
  LinkAdd | LinkSet | { readonly do: 'netns.add' | 'netns.del' | 'link.del' | 'link.del-group' }
>

/** Whether an op is about an entry, not about a namespace or a link as a whole. */
export function isEntryOp(op: Op): op is EntryOp {
  return !op.do.startsWith('netns.') && !op.do.startsWith('link.')
}

const RT_TABLE_MAIN = 254

/** The ops that take one back, none when there is nothing to do, undefined when nobody knows. */
export function undoEntry(op: EntryOp, former: Former): readonly Op[] | undefined {
  const netns = former.netns(op.netns)
  switch (op.do) {
    case 'address.add':
      return [{ ...op, do: 'address.del' }]
    case 'address.del':
      return addressesBack(netns, op.netns, op.link, (a) => samePrefix(a.address, op.address))
    case 'address.flush':
      return netns && addressesBack(netns, op.netns, op.link, () => true)
    case 'route.add':
      return [{ ...op, do: 'route.del' }]
    case 'route.replace':
    case 'route.del':
      return routeBack(op, netns)
    case 'neighbour.add':
    case 'neighbour.replace':
    case 'neighbour.del':
      return neighbourBack(op, netns)
    case 'rule.add':
      return [{ ...op, do: 'rule.del' }]
    case 'rule.del':
      return ruleBack(op, netns)
    case 'fdb.add':
    case 'fdb.replace':
    case 'fdb.del':
      return fdbBack(op, netns)
    case 'bridge-vlan.add':
    case 'bridge-vlan.del':
      return bridgeVlanBack(op, netns)
    case 'multicast.add':
      return [{ ...op, do: 'multicast.del' }]
    case 'multicast.del':
      return [{ ...op, do: 'multicast.add' }]
    case 'sysctl.set':
      return sysctlBack(op, netns)
    case 'qdisc.add':
    case 'qdisc.change':
    case 'qdisc.replace':
    case 'qdisc.del':
      return qdiscBack(op, former)
    case 'filter.add':
    case 'filter.del':
    case 'filter.flush':
    case 'filter.policy':
    case 'filter.chain-add':
    case 'filter.chain-del':
      return undoFilter(op, netns)
    case 'route.flush-cache':
    case 'neighbour.flush':
    case 'fdb.flush':
    default:
      return []
  }
}

/** A former one is made anew: a change would leave a rate that it did not have. */
function qdiscBack(op: QdiscChange, former: Former): Op[] | undefined {
  const { netns, link } = op
  const del: QdiscChange = { do: 'qdisc.del', netns, link }
  if (op.do === 'qdisc.add') return [del]
  const there = former.link(netns, link)
  if (there === undefined) return undefined
  const { netem } = there
  const gone: QdiscChange[] = op.do === 'qdisc.del' ? [] : [del]
  return netem === undefined ? gone : [...gone, { do: 'qdisc.add', netns, link, netem }]
}

function sysctlBack(op: OpOf<'sysctl.set'>, netns: NetnsSnapshot | undefined): Op[] | undefined {
  const value = netns?.sysctls[op.key]
  return value === undefined ? undefined : [{ ...op, value }]
}

/** Addresses set by hand; those a router or the kernel gave come back by themselves. */
function addressesBack(
  netns: NetnsSnapshot | undefined,
  name: string,
  link: string,
  wanted: (address: AddressSnapshot) => boolean,
): AddressChange[] | undefined {
  if (netns === undefined) return undefined
  return netns.addresses
    .filter((a) => a.link === link && !a.dynamic && wanted(a))
    .map((a) => ({
      do: 'address.add',
      netns: name,
      link,
      address: a.address,
      ...(a.broadcast === undefined ? {} : { broadcast: a.broadcast }),
      ...(a.scope === 'site' ? {} : { scope: a.scope }),
    }))
}

/** The key a kernel tells routes of one destination apart by. */
function sameRoute(op: RouteChange, route: RouteSnapshot): boolean {
  const metric = op.metric ?? (typeof op.to.address === 'bigint' ? 1024 : 0)
  return (
    samePrefix(op.to, route.to) &&
    (op.table ?? RT_TABLE_MAIN) === route.table &&
    (op.do === 'route.del' && op.metric === undefined ? true : metric === route.metric)
  )
}

function routeBack(op: RouteChange, netns: NetnsSnapshot | undefined): Op[] | undefined {
  if (netns === undefined) return undefined
  const old = netns.routes.find(
    (route) =>
      sameRoute(op, route) &&
      (op.do === 'route.replace' ||
        ((op.via === undefined || op.via === route.via) &&
          (op.link === undefined || op.link === route.link))),
  )
  if (old === undefined) return op.do === 'route.replace' ? [{ ...op, do: 'route.del' }] : undefined
  const type = plainType(old.type)
  if (type === undefined) return undefined
  return [routeOp(op, old, type)]
}

function routeOp(op: RouteChange, old: RouteSnapshot, type: RouteType): RouteChange {
  const scope = old.scope === 'nowhere' || old.scope === 'site' ? undefined : old.scope
  // IPv6 knows no scopes.
  const four = typeof old.to.address === 'number'
  return {
    do: op.do === 'route.replace' ? 'route.replace' : 'route.add',
    netns: op.netns,
    to: old.to,
    type,
    ...(old.via === undefined ? {} : { via: old.via }),
    ...(old.link === undefined ? {} : { link: old.link }),
    ...(old.source === undefined ? {} : { source: old.source }),
    metric: old.metric,
    table: old.table,
    ...(scope === undefined || !four ? {} : { scope }),
    ...(old.onlink ? { onlink: true } : {}),
  }
}

function plainType(type: RouteSnapshot['type']): RouteType | undefined {
  return type === 'multicast' || type === 'anycast' ? undefined : type
}

function neighbourBack(op: NeighbourChange, netns: NetnsSnapshot | undefined): Op[] | undefined {
  const { link, ip } = op
  const del: NeighbourChange = {
    do: 'neighbour.del',
    netns: op.netns,
    link,
    ip,
    ...(op.proxy === undefined ? {} : { proxy: op.proxy }),
  }
  if (op.do === 'neighbour.add') return [del]
  if (netns === undefined) return undefined
  const old = netns.neighbours.find(
    (n) => n.link === link && n.ip === ip && n.proxy === (op.proxy ?? false),
  )
  // What was learned is learned again.
  const lasting = old !== undefined && (old.proxy || old.state === 'permanent')
  if (!lasting) return op.do === 'neighbour.replace' ? [del] : []
  const mac = old.mac === undefined ? {} : { mac: old.mac }
  const rest = old.proxy ? { proxy: true } : { ...mac, state: old.state }
  return [{ do: 'neighbour.replace', netns: op.netns, link, ip, ...rest }]
}

/** A rule without a priority was found by its other words: the snapshot says which it was. */
function ruleBack(op: RuleChange, netns: NetnsSnapshot | undefined): Op[] | undefined {
  const old = netns?.rules.find(
    (rule) =>
      rule.family === op.family &&
      (op.priority === undefined || op.priority === rule.priority) &&
      (op.table === undefined || op.table === rule.table) &&
      (op.from === undefined || (rule.from !== undefined && samePrefix(op.from, rule.from))) &&
      (op.to === undefined || (rule.to !== undefined && samePrefix(op.to, rule.to))) &&
      (op.iif === undefined || op.iif === rule.iif) &&
      (op.oif === undefined || op.oif === rule.oif),
  )
  if (old === undefined) return undefined
  return [
    {
      do: 'rule.add',
      netns: op.netns,
      family: old.family,
      priority: old.priority,
      ...(old.from === undefined ? {} : { from: old.from }),
      ...(old.to === undefined ? {} : { to: old.to }),
      ...(old.iif === undefined ? {} : { iif: old.iif }),
      ...(old.oif === undefined ? {} : { oif: old.oif }),
      ...(old.action === 'lookup' ? { table: old.table } : { action: old.action }),
    },
  ]
}

function fdbBack(op: FdbChange, netns: NetnsSnapshot | undefined): Op[] | undefined {
  const { state: _state, sticky: _sticky, ...where } = op
  const del: FdbChange = { ...where, do: 'fdb.del' }
  if (op.do === 'fdb.add') return [del]
  if (netns === undefined) return undefined
  const old = netns.fdb.find((f) => f.mac === op.mac && f.vlan === op.vlan && f.on === op.on)
  if (old === undefined || old.state === 'dynamic') return op.do === 'fdb.replace' ? [del] : []
  return [{ ...where, do: 'fdb.replace', link: old.link, state: old.state }]
}

/** Each VLAN id of a range has its own past. */
function bridgeVlanBack(op: BridgeVlanChange, netns: NetnsSnapshot | undefined): Op[] | undefined {
  const { netns: name, link } = op
  const self = op.self === undefined ? {} : { self: op.self }
  const had = new Map(netns?.vlans.filter((v) => v.link === link).map((v) => [v.vlan, v]))
  if (op.do === 'bridge-vlan.del' && netns === undefined) return undefined
  if (had.size === 0 && op.do === 'bridge-vlan.add') {
    const to = op.to === undefined ? {} : { to: op.to }
    return [{ do: 'bridge-vlan.del', netns: name, link, from: op.from, ...to, ...self }]
  }
  const back: BridgeVlanChange[] = []
  for (let vlan = op.from; vlan <= (op.to ?? op.from); vlan++) {
    const old = had.get(vlan)
    if (old !== undefined) {
      const flags = { pvid: old.pvid, untagged: old.untagged }
      back.push({ do: 'bridge-vlan.add', netns: name, link, from: vlan, ...flags, ...self })
    } else if (op.do === 'bridge-vlan.add') {
      back.push({ do: 'bridge-vlan.del', netns: name, link, from: vlan, ...self })
    }
  }
  return back
}
