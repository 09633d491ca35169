/**
 * The words after `type KIND`: iplink_macvlan.c, iplink_ipvlan.c, iplink_vlan.c, iplink_bridge.c,
 * ...
 */
import type {
  BridgeOptions,
  IpvlanFlag,
  IpvlanMode,
  LinkSet,
  LinkSpec,
  MacvlanMode,
  MacvlanOptions,
  PortOptions,
} from '../../fabric/plan.ts'
import type { Mac } from '../../addr/mac.ts'
import {
  addressArgument,
  type Arguments,
  macArgument,
  matches,
  notYet,
  numberArgument,
  onOff,
  readMac,
  readNumber,
  ToolExit,
  wrongArgument,
} from '../arguments.ts'
import { IPVLAN_HELP, MACVLAN_HELP } from './help.ts'

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** The kind of a new link with its options. `readPeer` reads a veth's other end. */
export function readKind(
  kind: string,
  parent: string | undefined,
  args: Arguments,
  readPeer: (args: Arguments) => LinkSpec,
): LinkSpec {
  switch (kind) {
    case 'macvlan':
    case 'macvtap':
      return { kind, parent, macvlan: readMacvlan(kind, args) }
    case 'ipvlan':
      return { kind, parent, ...readIpvlan(args) }
    case 'vlan':
      return readVlan(parent, args)
    case 'bridge':
      return { kind, bridge: readBridge(args) }
    case 'veth':
      return readPeer(args)
    case 'dummy':
      nothingMore(kind, args)
      return { kind }
    case 'vxlan':
      return readVxlan(parent, args)
    default:
      if (!ELSEWHERE.includes(kind)) throw new ToolExit(2, 'Error: Unknown device type.\n')
      return notYet('ip link add', `type ${kind}`)
  }
}

/** Kinds of Linux that are not here. */
const ELSEWHERE = `amt bareudp batadv bond bond_slave can dsa erspan geneve gre gretap gtp hsr ifb
  ip6erspan ip6gre ip6gretap ip6tnl ipip ipoib ipvtap lowpan macsec netdevsim nlmon rmnet sit team
  team_slave tun vcan virt_wifi vrf vti vti6 wireguard wwan xfrm`.split(/\s+/)

/** Options of an existing link: `ip link set X type KIND …`. */
export function readKindChange(
  kind: string,
  args: Arguments,
): Pick<LinkSet, 'macvlan' | 'ipvlan' | 'bridge' | 'port'> {
  switch (kind) {
    case 'macvlan':
    case 'macvtap':
      return { macvlan: readMacvlan(kind, args) }
    case 'ipvlan':
      return { ipvlan: readIpvlan(args) }
    case 'bridge':
      return { bridge: readBridge(args) }
    case 'bridge_slave':
      return { port: readBridgeSlave(args) }
    default:
      return notYet('ip link set', `type ${kind}`)
  }
}

function nothingMore(kind: string, args: Arguments): void {
  const word = args.peek()
  if (word !== undefined) unknownOption(kind, word, '')
}

function unknownOption(kind: string, word: string, help: string): never {
  throw new ToolExit(1, `${kind}: unknown option "${word}"?\n${help}`)
}

const MACVLAN_MODES: readonly MacvlanMode[] = ['private', 'vepa', 'bridge', 'passthru', 'source']

/** macvlan_parse_opt(). */
function readMacvlan(kind: string, args: Arguments): MacvlanOptions {
  const o: Writable<MacvlanOptions> = {}
  while (args.left > 0) {
    const word = args.next()
    if (matches(word, 'mode')) {
      const text = args.next()
      const mode = MACVLAN_MODES.find((m) => m === text)
      if (mode === undefined) throw new ToolExit(1, macvlanModeText(text))
      o.mode = mode
    } else if (matches(word, 'flag')) {
      const flag = args.next()
      if (flag === 'nopromisc') o.nopromisc = true
      else if (flag === 'nodst') o.nodst = true
      else if (flag !== 'null') throw new ToolExit(1, macvlanFlagText(flag))
    } else if (matches(word, 'macaddr')) o.sources = readSources(args)
    else if (word === 'nopromisc') o.nopromisc = true
    else if (word === 'nodst') o.nodst = true
    else if (matches(word, 'bcqueuelen')) {
      o.broadcastQueueLength = numberArgument(args, 'bcqueuelen must be in range [0-4294967295]')
    } else unknownOption(kind, word, MACVLAN_HELP)
  }
  return o
}

function macvlanModeText(text: string): string {
  return (
    'Error: argument of "mode" must be "private", "vepa", "bridge", "passthru" or "source", ' +
    `not "${text}"\n`
  )
}

function macvlanFlagText(text: string): string {
  return `Error: argument of "flag" must be "nopromisc", "nodst" or "null", not "${text}"\n`
}

/** `macaddr add MAC | del MAC | set [MAC…] | flush`; `set` takes what looks like an address. */
function readSources(args: Arguments): MacvlanOptions['sources'] {
  const verb = args.next()
  if (verb === 'flush') return { change: 'flush', macs: [] }
  if (verb === 'add') return { change: 'add', macs: [macArgument(args)] }
  if (verb === 'del') return { change: 'remove', macs: [macArgument(args)] }
  if (verb !== 'set') {
    throw new ToolExit(
      1,
      `Error: argument of "macaddr" must be "add", "del", "set" or "flush", not "${verb}"\n`,
    )
  }
  const macs: Mac[] = []
  for (let word = args.peek(); word !== undefined; word = args.peek()) {
    const mac = readMac(word)
    if (mac === undefined) break
    macs.push(mac)
    args.next()
  }
  return { change: 'set', macs }
}

/**
 * ipvlan_parse_opt(): a second flag word is an unknown option. Where there is any option the flags
 * are sent too, so that without a flag word the parent's go back to `bridge`.
 */
function readIpvlan(args: Arguments): { mode?: IpvlanMode; flag?: IpvlanFlag } {
  const o: { mode?: IpvlanMode; flag?: IpvlanFlag } = {}
  const options = args.left > 0
  const flags: readonly IpvlanFlag[] = ['private', 'vepa', 'bridge']
  while (args.left > 0) {
    const word = args.next()
    if (matches(word, 'mode')) {
      const text = args.next()
      if (text !== 'l2' && text !== 'l3' && text !== 'l3s') {
        throw new ToolExit(1, 'Error: argument of "mode" must be either "l2", "l3" or "l3s"\n')
      }
      o.mode = text
      continue
    }
    const flag = o.flag === undefined ? flags.find((f) => matches(word, f)) : undefined
    if (flag === undefined) unknownOption('ipvlan', word, IPVLAN_HELP)
    o.flag = flag
  }
  return options ? { flag: 'bridge', ...o } : o
}

type VlanSpec = Extract<LinkSpec, { kind: 'vlan' }>

/** vlan_parse_opt(). */
function readVlan(parent: string | undefined, args: Arguments): LinkSpec {
  const o: Writable<VlanSpec> = { kind: 'vlan', parent, id: undefined }
  while (args.left > 0) {
    const word = args.next()
    if (matches(word, 'protocol')) o.protocol = readVlanProtocol(args.next())
    else if (matches(word, 'id')) o.id = numberArgument(args, 'id is invalid', 0xffff)
    else if (matches(word, 'reorder_hdr')) o.reorderHeader = onOff(args, 'reorder_hdr')
    else if (matches(word, 'gvrp')) o.gvrp = onOff(args, 'gvrp')
    else if (matches(word, 'mvrp')) o.mvrp = onOff(args, 'mvrp')
    else if (matches(word, 'loose_binding')) o.looseBinding = onOff(args, 'loose_binding')
    else if (matches(word, 'bridge_binding')) notYet('ip link type vlan', word)
    else if (matches(word, 'ingress-qos-map')) o.ingressQos = readQosMap(args)
    else if (matches(word, 'egress-qos-map')) o.egressQos = readQosMap(args)
    else unknownOption('vlan', word, '')
  }
  return o
}

function readVlanProtocol(word: string): '802.1Q' | '802.1ad' {
  const lower = word.toLowerCase()
  if (lower === '802.1q') return '802.1Q'
  if (lower === '802.1ad') return '802.1ad'
  return wrongArgument(word, 'protocol is invalid')
}

function readQosMap(args: Arguments): readonly (readonly [number, number])[] {
  const map: (readonly [number, number])[] = []
  for (let word = args.peek(); word !== undefined; word = args.peek()) {
    const pair = /^(\d+):(\d+)$/.exec(word)
    if (pair === null) break
    map.push([Number(pair[1]), Number(pair[2])])
    args.next()
  }
  return map
}

const flag = (args: Arguments, key: string): boolean =>
  numberArgument(args, `invalid ${key}`, 0xff) !== 0

/** bridge_parse_opt(): times are hundredths of a second on the line, seconds in an op. */
function readBridge(args: Arguments): BridgeOptions {
  const o: Writable<BridgeOptions> = {}
  while (args.left > 0) {
    const word = args.next()
    if (matches(word, 'forward_delay')) {
      o.forwardDelay = numberArgument(args, 'invalid forward_delay') / 100
    } else if (matches(word, 'hello_time') || matches(word, 'max_age')) {
      notYet('ip link type bridge', word)
    } else if (matches(word, 'ageing_time')) {
      o.ageingTime = numberArgument(args, 'invalid ageing_time') / 100
    } else if (matches(word, 'stp_state')) o.stp = flag(args, 'stp_state')
    else if (matches(word, 'priority')) notYet('ip link type bridge', word)
    else if (matches(word, 'vlan_filtering')) o.vlanFiltering = flag(args, 'vlan_filtering')
    else if (matches(word, 'vlan_protocol')) notYet('ip link type bridge', word)
    else if (matches(word, 'group_fwd_mask')) {
      o.groupForwardMask = numberArgument(args, 'invalid group_fwd_mask', 0xffff)
    } else if (word === 'vlan_default_pvid') {
      o.vlanDefaultPvid = numberArgument(args, 'invalid vlan_default_pvid', 0xffff)
    } else if (word === 'mcast_snooping') o.multicastSnooping = flag(args, 'mcast_snooping')
    else notYet('ip link type bridge', word)
  }
  return o
}

const PORT_SWITCHES: readonly (readonly [string, keyof PortOptions])[] = [
  ['hairpin', 'hairpin'],
  ['learning', 'learning'],
  ['flood', 'flood'],
  ['mcast_flood', 'multicastFlood'],
  ['bcast_flood', 'broadcastFlood'],
  ['isolated', 'isolated'],
  ['locked', 'locked'],
]

/** bridge_slave_parse_opt(). */
function readBridgeSlave(args: Arguments): PortOptions {
  const o: Record<string, boolean | number> = {}
  while (args.left > 0) {
    const word = args.next()
    const found = PORT_SWITCHES.find(([k]) => k === word || (k === 'hairpin' && matches(word, k)))
    if (matches(word, 'state')) o['state'] = numberArgument(args, '"state" should be a number', 4)
    else if (found === undefined) notYet('ip link type bridge_slave', word)
    else o[found[1]] = onOff(args, found[0])
  }
  return o
}

type VxlanSpec = Extract<LinkSpec, { kind: 'vxlan' }>

/** vxlan_parse_opt(), as far as a vxlan can be planned. */
function readVxlan(link: string | undefined, args: Arguments): LinkSpec {
  const o: Partial<Writable<VxlanSpec>> = link === undefined ? {} : { parent: link }
  while (args.left > 0) {
    const word = args.next()
    if (matches(word, 'id') || matches(word, 'vni')) {
      o.id = numberArgument(args, 'invalid id', 0xffffff)
    } else if (matches(word, 'group') || matches(word, 'remote')) {
      o.remote = addressArgument(args, undefined)
    } else if (matches(word, 'local')) o.local = addressArgument(args, undefined)
    else if (matches(word, 'dev')) o.parent = args.next()
    else if (matches(word, 'dstport')) {
      const port = readNumber(args.next())
      if (port === undefined || port > 65535) throw new ToolExit(255, 'dstport is invalid\n')
      o.port = port
    } else if (matches(word, 'learning')) o.learning = true
    else if (matches(word, 'nolearning')) o.learning = false
    else notYet('ip link type vxlan', word)
  }
  if (o.id === undefined) throw new ToolExit(1, 'vxlan: missing virtual network identifier\n')
  return { ...o, kind: 'vxlan', id: o.id, port: o.port ?? 8472 }
}
