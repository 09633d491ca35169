/**
 * Plans as command lines of iproute2 and sysctl(8) that do the same: what `--dry-run` shows and a
 * reader can paste. An op is mostly one line; where the tools need several, each stands alone.
 */
import { formatIp, type Prefix } from '../addr/ip.ts'
import { formatMac } from '../addr/mac.ts'
import { formatPrefix } from '../addr/prefix.ts'
import type { FilterOp } from './filter.ts'
import { netemWords, type QdiscChange } from './netem.ts'
import type {
  AddressChange,
  BridgeVlanChange,
  FdbChange,
  NeighbourChange,
  Op,
  OpOf,
  Plan,
  RouteChange,
  RuleChange,
} from './plan.ts'
import { printLinkAdd, printLinkSet } from './print-ip-link.ts'
import { filterWords } from './print-iptables.ts'
import { inNetns, ip, quote, tool, type Words, words } from './print-ip-words.ts'

/**
 * The command lines that do what a plan does, in order. Namespaces are named with `-n`; a
 * namespace given by path or process is entered with nsenter(1), since `-n` knows names only.
 *
 * @example
 * ```ts
 * printPlan([{ do: 'link.set', netns: 'ns1', name: 'lo', up: true }])
 * // ['ip -n ns1 link set dev lo up']
 * ```
 */
export function printPlan(plan: Plan): string[] {
  return plan.flatMap(printOp)
}

/** The command lines of one op. */
export function printOp(op: Op): string[] {
  if (op.do === 'link.add') return printLinkAdd(op)
  if (op.do === 'link.set') return printLinkSet(op)
  if (op.do === 'sysctl.set') {
    return [inNetns(op.netns, ['sysctl', '-w', quote(`${op.key}=${op.value}`)])]
  }
  if (isFilterOp(op)) return [inNetns(op.netns, filterWords(op).map(quote))]
  if (isBridgeOp(op)) return [tool('bridge', op.netns, bridgeWords(op))]
  if (isQdiscOp(op)) return [tool('tc', op.netns, qdiscWords(op))]
  return [printIpOp(op)]
}

function isQdiscOp(op: Op): op is QdiscChange {
  return op.do.startsWith('qdisc.')
}

function qdiscWords(op: QdiscChange): Words {
  const at: Words = ['qdisc', op.do.slice(6), 'dev', op.link, 'root']
  return op.do === 'qdisc.del' ? at : [...at, 'netem', ...netemWords(op.netem)]
}

type BridgeOp = FdbChange | BridgeVlanChange | OpOf<'fdb.flush'>

function isFilterOp(op: Op): op is FilterOp {
  return op.do.startsWith('filter.')
}

function isBridgeOp(op: Op): op is BridgeOp {
  return op.do.startsWith('fdb.') || op.do.startsWith('bridge-vlan.')
}

function isVlan(op: FdbChange | BridgeVlanChange): op is BridgeVlanChange {
  return op.do === 'bridge-vlan.add' || op.do === 'bridge-vlan.del'
}

function bridgeWords(op: BridgeOp): Words {
  if (op.do === 'fdb.flush') return ['fdb', 'flush', 'dev', op.bridge]
  const verb = op.do.split('.')[1]
  if (isVlan(op)) {
    const vid = op.to === undefined || op.to === op.from ? `${op.from}` : `${op.from}-${op.to}`
    const flags = [op.pvid && 'pvid', op.untagged && 'untagged', op.self && 'self']
    return ['vlan', verb, 'dev', op.link, 'vid', vid, ...flags]
  }
  const tail = [op.state, ...words('vlan', op.vlan), op.sticky && 'sticky']
  return ['fdb', verb, formatMac(op.mac), 'dev', op.link, op.on, ...tail]
}

type IpOp = Exclude<
  Op,
  | BridgeOp
  | FilterOp
  | QdiscChange
  | OpOf<'link.add'>
  | OpOf<'link.set'>
  | { readonly do: 'sysctl.set' }
>

function printIpOp(op: IpOp): string {
  switch (op.do) {
    case 'netns.add':
    case 'netns.del':
      return ip('', ['netns', op.do.slice(6), quote(op.netns)])
    case 'link.del':
      return ip(op.netns, ['link', 'del', 'dev', op.name])
    case 'link.del-group':
      return ip(op.netns, ['link', 'del', 'group', op.group])
    case 'address.add':
    case 'address.del':
      return ip(op.netns, addressWords(op))
    case 'address.flush':
      return ip(op.netns, ['addr', 'flush', 'dev', op.link])
    case 'route.add':
    case 'route.replace':
    case 'route.del':
      return ip(op.netns, routeWords(op), familyFlag(op.to))
    case 'route.flush-cache':
      return ip(op.netns, ['route', 'flush', 'cache'])
    case 'neighbour.add':
    case 'neighbour.replace':
    case 'neighbour.del':
      return ip(op.netns, neighbourWords(op))
    case 'neighbour.flush': {
      const which = op.link === undefined ? ['all'] : ['dev', op.link]
      return ip(op.netns, ['neigh', 'flush', ...which], op.family && `-${op.family}`)
    }
    case 'rule.add':
    case 'rule.del':
      return ip(op.netns, ruleWords(op), op.family === 6 && '-6')
    case 'multicast.add':
    case 'multicast.del':
    default:
      return ip(op.netns, ['maddr', op.do.slice(10), formatMac(op.mac), 'dev', op.link])
  }
}

function familyFlag(prefix: Prefix): string | undefined {
  return typeof prefix.address === 'bigint' ? '-6' : undefined
}

function addressWords(op: AddressChange): Words {
  return [
    'addr',
    op.do.slice(8),
    formatPrefix(op.address),
    ...words('broadcast', op.broadcast === undefined ? undefined : formatIp(op.broadcast)),
    'dev',
    op.link,
    ...words('scope', op.scope),
    op.nodad && 'nodad',
    op.noprefixroute && 'noprefixroute',
  ]
}

function routeWords(op: RouteChange): Words {
  const { to, via } = op
  const foreign = via !== undefined && typeof via !== typeof to.address
  const through = via === undefined ? undefined : formatIp(via)
  const family = foreign ? (typeof via === 'number' ? 'inet ' : 'inet6 ') : ''
  return [
    'route',
    op.do.slice(6),
    op.type === 'unicast' ? undefined : op.type,
    to.length === 0 ? 'default' : formatPrefix(to),
    ...words('via', through && `${family}${through}`),
    ...words('dev', op.link),
    ...words('src', op.source === undefined ? undefined : formatIp(op.source)),
    ...words('metric', op.metric),
    ...words('table', op.table),
    ...words('scope', op.scope),
    op.onlink && 'onlink',
    ...words('mtu', op.mtu),
  ]
}

function neighbourWords(op: NeighbourChange): Words {
  const verb = op.do.slice(10)
  if (op.proxy === true) return ['neigh', verb, 'proxy', formatIp(op.ip), 'dev', op.link]
  const mac = op.mac === undefined ? undefined : formatMac(op.mac)
  return [
    'neigh',
    verb,
    formatIp(op.ip),
    ...words('lladdr', mac),
    ...words('nud', op.state),
    'dev',
    op.link,
  ]
}

function ruleWords(op: RuleChange): Words {
  const action = op.action === undefined || op.action === 'lookup' ? undefined : op.action
  return [
    'rule',
    op.do.slice(5),
    'from',
    op.from === undefined ? 'all' : formatPrefix(op.from),
    ...words('to', op.to === undefined ? undefined : formatPrefix(op.to)),
    ...words('iif', op.iif),
    ...words('oif', op.oif),
    ...words('priority', op.priority),
    ...words('table', op.table),
    action,
  ]
}
