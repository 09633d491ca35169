/**
 * The sysctl tree of a namespace: names to numbers of conf.ts, and what else a write does
 * (net/ipv4/devinet.c devinet_conf_proc, net/ipv6/addrconf.c addrconf_sysctl_*).
 */
import type { Device, Netns, Refusal, World } from '../model.ts'
import { setDisabled6, setForwarding6 } from './addrconf.ts'
import { type Conf4, withSetting } from './conf.ts'
import { flushRouteCache } from './cache.ts'
import { type DeviceIp, deviceIp, type NetnsIp, netnsIp } from './state.ts'

type Numbers = Record<string, number>

/** One value: whose settings it stands in and its field, and how it looks from outside. */
interface Place {
  readonly owner: Record<string, unknown>
  /** Which settings of the owner's. */
  readonly settings: string
  readonly field: string
  /** Outside value = inside value / unit. */
  readonly unit: number
  readonly group: 'ip4' | 'conf4' | 'conf6' | 'neighbour'
  /** `all`, `default` or undefined for a link's. */
  readonly level: 'all' | 'default' | undefined
  readonly dev: Device | undefined
}

const ENOENT: Refusal = Object.freeze({ errno: 'ENOENT' })
const EINVAL: Refusal = Object.freeze({ errno: 'EINVAL' })

/** Least and greatest value where the kernel checks (proc_dou8vec_minmax and its like). */
const BOUNDS: Readonly<Record<string, readonly [number, number]>> = {
  ip_default_ttl: [1, 255],
  icmp_echo_ignore_all: [0, 1],
  icmp_echo_ignore_broadcasts: [0, 1],
  icmp_errors_use_inbound_ifaddr: [0, 1],
  ip_forward_use_pmtu: [0, 255],
  ip_nonlocal_bind: [0, 255],
  ip_no_pmtu_disc: [0, 255],
  addr_gen_mode: [0, 3],
  'ipv6.icmp.echo_ignore_all': [0, 255],
  'ipv6.icmp.ratelimit': [0, 0x7fffffff],
  icmp_ratelimit: [0, 0x7fffffff],
  hop_limit: [1, 255],
}

/** Other names of one number, with the factor between them. */
const ALIASES: Readonly<Record<string, readonly [string, number]>> = {
  base_reachable_time: ['base_reachable_time_ms', 1000],
  retrans_time: ['retrans_time_ms', 10],
}

/** Splits a key as sysctl(8) does: a slash stands for a dot inside a name. */
function split(key: string): readonly string[] {
  const known = SPLIT.get(key)
  if (known !== undefined) return known
  // The same few keys in every namespace; names of links are no end of them.
  if (SPLIT.size > SPLIT_MAX) SPLIT.clear()
  const parts = splitKey(key)
  SPLIT.set(key, parts)
  return parts
}

const SPLIT = new Map<string, readonly string[]>()
const SPLIT_MAX = 10_000

function splitKey(key: string): string[] {
  const slash = key.indexOf('/')
  const dot = key.indexOf('.')
  // with a slash before the first dot the slashes are the separators
  if (slash >= 0 && (dot < 0 || slash < dot)) return key.split('/')
  return key.split('.').map((part) => part.replaceAll('/', '.'))
}

function find(netns: Netns, key: string): Place | undefined {
  const [net, family, ...rest] = split(key)
  if (net !== 'net') return undefined
  const ns = netnsIp(netns)
  if (rest.length === 3 && (family === 'ipv4' || family === 'ipv6')) {
    const [tree, link, leaf] = rest as [string, string, string]
    if (tree === 'conf') return findConf(netns, ns, family, link, leaf)
    if (tree === 'neigh') return findNeighbour(netns, ns, family, link, leaf)
  }
  const leaf = rest.join('.')
  if (family === 'ipv4' && leaf === 'ip_forward') {
    return place(ns, 'conf4All', 'forwarding', 1, 'conf4', 'all')
  }
  const field = family === 'ipv4' ? leaf : `${family}.${leaf}`
  return place(ns, 'conf', field, 1, 'ip4', undefined)
}

function place<T extends NetnsIp | DeviceIp>(
  owner: T,
  settings: keyof T & string,
  field: string,
  unit: number,
  group: Place['group'],
  level: Place['level'],
  dev?: Device,
): Place | undefined {
  if (!Object.hasOwn(owner[settings] as object, field)) return undefined
  const anyOwner = owner as unknown as Record<string, unknown>
  return { owner: anyOwner, settings, field, unit, group, level, dev }
}

function settingsOf(at: Place): Numbers {
  return at.owner[at.settings] as Numbers
}

function findConf(
  netns: Netns,
  ns: NetnsIp,
  family: 'ipv4' | 'ipv6',
  link: string,
  leaf: string,
): Place | undefined {
  const group = family === 'ipv4' ? 'conf4' : 'conf6'
  if (link === 'all') return place(ns, `${group}All`, leaf, 1, group, 'all')
  if (link === 'default') return place(ns, `${group}Default`, leaf, 1, group, 'default')
  const dev = netns.byName.get(link)
  const ip = dev === undefined ? undefined : deviceIp(dev)
  if (ip === undefined || !(family === 'ipv4' ? ip.has4 : ip.has6)) return undefined
  return place(ip, group, leaf, 1, group, undefined, dev)
}

function findNeighbour(
  netns: Netns,
  ns: NetnsIp,
  family: 'ipv4' | 'ipv6',
  link: string,
  leaf: string,
): Place | undefined {
  const [field, unit] = ALIASES[leaf] ?? [leaf, 1]
  if (link === 'default') {
    const settings = family === 'ipv4' ? 'neighbour4Default' : 'neighbour6Default'
    return place(ns, settings, field, unit, 'neighbour', 'default')
  }
  const dev = netns.byName.get(link)
  const ip = dev === undefined ? undefined : deviceIp(dev)
  if (ip === undefined || !(family === 'ipv4' ? ip.has4 : ip.has6)) return undefined
  const settings = family === 'ipv4' ? 'neighbourConf4' : 'neighbourConf6'
  return place(ip, settings, field, unit, 'neighbour', undefined, dev)
}

/**
 * Reads a sysctl. Equivalent to: `sysctl -n KEY`
 * @returns undefined when there is no such key
 */
export function readSysctl(netns: Netns, key: string): string | undefined {
  const at = find(netns, key)
  if (at === undefined) return undefined
  return String(Math.trunc((settingsOf(at)[at.field] as number) / at.unit))
}

/**
 * Writes a sysctl. Equivalent to: `sysctl -w KEY=VALUE`
 *
 * @returns ENOENT for a key there is not, EINVAL for a value it does not take
 */
export function writeSysctl(
  world: World,
  netns: Netns,
  key: string,
  value: string,
): Refusal | undefined {
  const parts = split(key)
  if (parts[0] === 'net' && parts[2] === 'route' && parts[3] === 'flush') {
    flushRouteCache(netnsIp(netns), true)
    return undefined
  }
  const at = find(netns, key)
  if (at === undefined) return ENOENT
  const text = value.trim()
  if (!/^-?\d+$/.test(text)) return EINVAL
  const wanted = Number(text)
  if (wanted < -0x80000000 || wanted > 0xffffffff) return EINVAL
  const bounds = BOUNDS[at.field]
  if (bounds !== undefined && (wanted < bounds[0] || wanted > bounds[1])) return EINVAL
  set(world, netns, at, wanted * at.unit)
  return undefined
}

function set(world: World, netns: Netns, at: Place, value: number): void {
  const ns = netnsIp(netns)
  const old = settingsOf(at)[at.field]
  if (at.group === 'conf6' && at.field === 'forwarding') {
    setForwarding6(world, ns, at.level, at.dev, value)
    return
  }
  if (at.group === 'conf6' && at.field === 'disable_ipv6') {
    setDisabled6(world, ns, at.level, at.dev, value)
    return
  }
  at.owner[at.settings] = withSetting(settingsOf(at), at.field, value)
  if (at.group === 'conf4') {
    if (at.dev !== undefined) (deviceIp(at.dev) as DeviceIp).conf4Set.add(at.field)
    if (at.level === 'default') copyDefault(netns, at.field as keyof Conf4, value)
    if (at.field === 'forwarding' && at.level === 'all' && old !== value) forwardAll4(netns, ns)
    flushRouteCache(ns, false)
  }
}

/**
 * `devinet_copy_dflt_conf`: links follow `default` in what was not set for them; the first address
 * sets everything (`ipv4_devconf_setall`).
 */
function copyDefault(netns: Netns, field: keyof Conf4, value: number): void {
  for (const dev of netns.byIndex.values()) {
    const ip = deviceIp(dev)
    if (ip === undefined || ip.conf4AllSet || ip.conf4Set.has(field)) continue
    ip.conf4 = withSetting(ip.conf4, field, value)
  }
}

/** `inet_forward_change`. */
function forwardAll4(netns: Netns, ns: NetnsIp): void {
  const on = ns.conf4All.forwarding
  ns.conf4All = withSetting(ns.conf4All, 'accept_redirects', on === 0 ? 1 : 0)
  ns.conf4Default = withSetting(ns.conf4Default, 'forwarding', on)
  for (const dev of netns.byIndex.values()) {
    const ip = deviceIp(dev)
    if (ip === undefined) continue
    ip.conf4 = withSetting(ip.conf4, 'forwarding', on)
    ip.conf4Set.add('forwarding')
  }
}

/**
 * The sysctls a new namespace starts with: IPv4 as the initial namespace has them now, IPv6 as
 * built in (net/ipv4/devinet.c devinet_init_net, addrconf_init_net).
 */
export function initSysctls(world: World, ns: NetnsIp): void {
  ns.conf4All = withSetting(ns.conf4All, 'accept_source_route', 0)
  ns.conf6All = withSetting(withSetting(ns.conf6All, 'accept_dad', 0), 'mtu', 1280)
  ns.conf6Default = withSetting(ns.conf6Default, 'mtu', 1280)
  ns.neighbour6Default = withSetting(ns.neighbour6Default, 'locktime', 0)
  const errors = world.traits.version === '6.1' ? 1000 : 100
  ns.conf = withSetting(ns.conf, 'ipv6.icmp.ratelimit', errors)
  const bridge = world.traits.bridgeNetfilter ? 1 : 0
  for (const what of ['arptables', 'ip6tables', 'iptables'] as const) {
    ns.conf = withSetting(ns.conf, `bridge.bridge-nf-call-${what}`, bridge)
  }
  const initial = world.netns.get('')
  if (initial === undefined || initial === ns.netns || initial.ip === undefined) return
  ns.conf4All = netnsIp(initial).conf4All
  ns.conf4Default = netnsIp(initial).conf4Default
}
