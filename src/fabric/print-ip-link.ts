/** `link.add` and `link.set` as `ip link`, `ip tuntap` and `bridge link` (see print-ip.ts). */
import { formatIp, isMulticastIp } from '../addr/ip.ts'
import { formatMac } from '../addr/mac.ts'
import type {
  BridgeOptions,
  LinkAdd,
  LinkAttributes,
  LinkSet,
  LinkSpec,
  MacvlanOptions,
  PortOptions,
} from './plan.ts'
import { ip, netnsValue, onOff, oneZero, quote, tool, type Words, words } from './print-ip-words.ts'

export function printLinkAdd(op: LinkAdd): string[] {
  const { spec, netns, name } = op
  if (spec.kind === 'tun' || spec.kind === 'tap') {
    const add = ip(netns, ['tuntap', 'add', 'dev', name, 'mode', spec.kind])
    const set = [...attributeWords(op), ...masterWords(op)]
    return set.length === 0 ? [add] : [add, ip(netns, ['link', 'set', 'dev', name, ...set])]
  }
  const where = op.parentNetns ?? netns
  const away = where !== netns
  const add: Words = [
    'link',
    'add',
    ...words('link', 'parent' in spec && spec.kind !== 'vxlan' ? spec.parent : undefined),
    'name',
    name,
    ...attributeWords({ ...op, alias: undefined }),
    // The master is looked up where the command runs.
    ...(away ? [] : masterWords(op)),
    ...words('netns', away ? netnsValue(netns) : undefined),
    'type',
    spec.kind,
    ...specWords(spec, where, netns),
  ]
  const after: Words[] = []
  if (away && op.master !== undefined) after.push(masterWords(op))
  if (op.alias !== undefined) after.push(['alias', quote(op.alias)])
  const set = after.map((rest) => ip(netns, ['link', 'set', 'dev', name, ...rest]))
  return [ip(where, add), ...set, ...sourceLines(netns, name, kindMacvlan(spec))]
}

export function printLinkSet(op: LinkSet): string[] {
  const { netns, name } = op
  const set: Words = [
    ...attributeWords(op),
    ...masterWords(op),
    ...words('name', op.newName),
    ...words('netns', op.newNetns === undefined ? undefined : netnsValue(op.newNetns)),
    ...kindWords(op),
  ]
  const place = { netns: op.newNetns ?? netns, name: op.newName ?? name }
  const lines = set.length === 0 ? [] : [ip(netns, ['link', 'set', 'dev', name, ...set])]
  lines.push(...sourceLines(place.netns, place.name, op.macvlan))
  if (op.port !== undefined) {
    const port = ['link', 'set', 'dev', place.name, ...portWords(op.port)]
    lines.push(tool('bridge', place.netns, port))
  }
  return lines
}

function attributeWords(a: LinkAttributes): Words {
  return [
    ...words('address', a.address === undefined ? undefined : formatMac(a.address)),
    ...words('mtu', a.mtu),
    ...words('txqueuelen', a.txQueueLength),
    ...words('group', a.group),
    ...words('alias', a.alias === undefined ? undefined : quote(a.alias)),
    ...onOff('promisc', a.promisc),
    ...onOff('allmulticast', a.allmulticast),
    ...onOff('arp', a.arp),
    ...(a.up === undefined ? [] : [a.up ? 'up' : 'down']),
  ]
}

function masterWords(a: LinkAttributes): Words {
  if (a.master === undefined) return []
  return a.master === null ? ['nomaster'] : ['master', a.master]
}

function kindWords(op: LinkSet): Words {
  const { macvlan, ipvlan, bridge } = op
  if (macvlan !== undefined) {
    const rest = macvlanWords(macvlan)
    return rest.length === 0 ? [] : ['type', 'macvlan', ...rest]
  }
  if (ipvlan !== undefined) {
    return ['type', 'ipvlan', ...words('mode', ipvlan.mode), ipvlan.flag]
  }
  return bridge === undefined ? [] : ['type', 'bridge', ...bridgeWords(bridge)]
}

function kindMacvlan(spec: LinkSpec): MacvlanOptions | undefined {
  return spec.kind === 'macvlan' || spec.kind === 'macvtap' ? spec.macvlan : undefined
}

/** What follows `type KIND`. */
function specWords(spec: LinkSpec, where: string, netns: string): Words {
  switch (spec.kind) {
    case 'veth': {
      const { peer } = spec
      const home = peer.netns ?? netns
      return [
        'peer',
        'name',
        peer.name,
        ...words('address', peer.address === undefined ? undefined : formatMac(peer.address)),
        ...words('mtu', peer.mtu),
        ...words('netns', home === where ? undefined : netnsValue(home)),
      ]
    }
    case 'bridge':
      return bridgeWords(spec.bridge ?? {})
    case 'macvlan':
    case 'macvtap':
      return macvlanWords(spec.macvlan ?? {})
    case 'ipvlan':
      return [...words('mode', spec.mode), spec.flag]
    case 'vlan':
      return vlanWords(spec)
    case 'vxlan':
      return vxlanWords(spec)
    case 'dummy':
    case 'tun':
    case 'tap':
    default:
      return []
  }
}

/** Times are in hundredths of a second there. */
function bridgeWords(b: BridgeOptions): Words {
  const hundredths = (seconds: number | undefined) =>
    seconds === undefined ? undefined : Math.round(seconds * 100)
  return [
    ...words('forward_delay', hundredths(b.forwardDelay)),
    ...words('ageing_time', hundredths(b.ageingTime)),
    ...oneZero('stp_state', b.stp),
    ...oneZero('vlan_filtering', b.vlanFiltering),
    ...words('vlan_default_pvid', b.vlanDefaultPvid),
    ...words('group_fwd_mask', b.groupForwardMask),
    ...oneZero('mcast_snooping', b.multicastSnooping),
  ]
}

/** The tool can set `nopromisc` and `nodst` but has no word to clear them. */
function macvlanWords(m: MacvlanOptions): Words {
  return [
    ...words('mode', m.mode),
    ...(m.nopromisc === true ? ['nopromisc'] : []),
    ...(m.nodst === true ? ['nodst'] : []),
    ...words('bcqueuelen', m.broadcastQueueLength),
    ...(sourceWords(m)[0] ?? []),
  ]
}

/** `macaddr ...` for each command line: the tool takes only one MAC to add or remove at a time. */
function sourceWords(macvlan: MacvlanOptions | undefined): Words[] {
  const sources = macvlan?.sources
  if (sources === undefined) return []
  const macs = sources.macs.map(formatMac)
  switch (sources.change) {
    case 'flush':
      return [['macaddr', 'flush']]
    case 'set':
      return [['macaddr', 'set', ...macs]]
    case 'add':
      return macs.map((mac) => ['macaddr', 'add', mac])
    case 'remove':
    default:
      return macs.map((mac) => ['macaddr', 'del', mac])
  }
}

/** The lines for the source MACs that did not go into the first one. */
function sourceLines(netns: string, name: string, macvlan: MacvlanOptions | undefined): string[] {
  const rest = sourceWords(macvlan).slice(1)
  return rest.map((words) => ip(netns, ['link', 'set', 'dev', name, 'type', 'macvlan', ...words]))
}

function vlanWords(v: Extract<LinkSpec, { readonly kind: 'vlan' }>): Words {
  const map = (pairs: readonly (readonly [number, number])[] | undefined) =>
    pairs === undefined || pairs.length === 0
      ? undefined
      : pairs.map(([from, to]) => `${from}:${to}`).join(' ')
  return [
    ...words('protocol', v.protocol),
    ...words('id', v.id),
    ...onOff('reorder_hdr', v.reorderHeader),
    ...onOff('gvrp', v.gvrp),
    ...onOff('mvrp', v.mvrp),
    ...onOff('gvrp', v.gvrp),
    ...onOff('mvrp', v.mvrp),
    ...onOff('loose_binding', v.looseBinding),
    ...words('ingress-qos-map', map(v.ingressQos)),
    ...words('egress-qos-map', map(v.egressQos)),
  ]
}

function vxlanWords(v: Extract<LinkSpec, { readonly kind: 'vxlan' }>): Words {
  const far = v.remote !== undefined && isMulticastIp(v.remote) ? 'group' : 'remote'
  return [
    'id',
    v.id,
    'dstport',
    v.port,
    ...words('dev', v.parent),
    ...words('local', v.local === undefined ? undefined : formatIp(v.local)),
    ...words(far, v.remote === undefined ? undefined : formatIp(v.remote)),
    v.learning === undefined ? undefined : v.learning ? 'learning' : 'nolearning',
  ]
}

function portWords(p: PortOptions): Words {
  return [
    ...onOff('hairpin', p.hairpin),
    ...onOff('isolated', p.isolated),
    ...onOff('learning', p.learning),
    ...onOff('flood', p.flood),
    ...onOff('mcast_flood', p.multicastFlood),
    ...onOff('bcast_flood', p.broadcastFlood),
    ...onOff('locked', p.locked),
    ...words('state', p.state),
  ]
}
