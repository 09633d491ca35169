/**
 * The sysctls of a namespace for a snapshot. Most namespaces are set as the one before: those that
 * are alike get the very same record, which says so to whoever compares them without reading it.
 */
import type { Netns } from '../model.ts'
import { type DeviceIp, deviceIp, type NetnsIp, netnsIp } from './state.ts'

type Sysctls = Readonly<Record<string, string>>

/** Records by what they were made of; settings are never changed, so that each has one number. */
const RECORDS = new Map<string, Sysctls>()
/** By what is in them: the same may have been set in another order. */
const SAME = new Map<string, Sysctls>()
const RECORDS_MAX = 1_000
const NUMBERS = new WeakMap<object, number>()
let numbers = 0

/** The keys that change what a frame meets, each with its value. */
export function listSysctls(netns: Netns): Sysctls {
  const ns = netnsIp(netns)
  const links = linksOf(netns)
  const key = keyOf(ns, links)
  const known = RECORDS.get(key)
  if (known !== undefined) return known
  const record = shared(Object.freeze(read(ns, links)))
  if (RECORDS.size >= RECORDS_MAX) RECORDS.clear()
  RECORDS.set(key, record)
  return record
}

function shared(record: Sysctls): Sysctls {
  const text = JSON.stringify(record)
  const known = SAME.get(text)
  if (known !== undefined) return known
  if (SAME.size >= RECORDS_MAX) SAME.clear()
  SAME.set(text, record)
  return record
}

type Links = readonly (readonly [name: string, ip: DeviceIp])[]

function linksOf(netns: Netns): Links {
  const links: (readonly [string, DeviceIp])[] = []
  for (const dev of netns.byIndex.values()) {
    const ip = deviceIp(dev)
    if (ip !== undefined) links.push([dev.name, ip])
  }
  return links
}

function keyOf(ns: NetnsIp, links: Links): string {
  const { conf, conf4All, conf4Default, conf6All, conf6Default } = ns
  let key = [conf, conf4All, conf4Default, conf6All, conf6Default].map(numberOf).join(' ')
  for (const [name, { has4, has6, conf4, conf6 }] of links) {
    key += ` ${has4 ? numberOf(conf4) : 0} ${has6 ? numberOf(conf6) : 0} ${name}`
  }
  return key
}

function numberOf(settings: object): number {
  const known = NUMBERS.get(settings)
  if (known !== undefined) return known
  NUMBERS.set(settings, ++numbers)
  return numbers
}

function read(ns: NetnsIp, links: Links): Record<string, string> {
  const out: Record<string, string> = { 'net.ipv4.ip_forward': String(ns.conf4All.forwarding) }
  const take = (prefix: string, conf: object, fields: readonly string[]): void => {
    const numbers = conf as Readonly<Record<string, number>>
    for (const field of fields) out[`${prefix}.${field}`] = String(numbers[field])
  }
  take('net.ipv4', ns.conf, GLOBAL4)
  take('net.ipv4.conf.all', ns.conf4All, LINK4)
  take('net.ipv4.conf.default', ns.conf4Default, LINK4)
  take('net.ipv6.conf.all', ns.conf6All, LINK6)
  take('net.ipv6.conf.default', ns.conf6Default, LINK6)
  out['net.ipv6.icmp.echo_ignore_all'] = String(ns.conf['ipv6.icmp.echo_ignore_all'])
  for (const [link, ip] of links) {
    const name = link.replaceAll('.', '/')
    if (ip.has4) take(`net.ipv4.conf.${name}`, ip.conf4, LINK4)
    if (ip.has6) take(`net.ipv6.conf.${name}`, ip.conf6, LINK6)
  }
  return out
}

const GLOBAL4 = ['icmp_echo_ignore_all', 'icmp_echo_ignore_broadcasts', 'ip_default_ttl'] as const
const LINK4 = [
  'accept_local',
  'accept_redirects',
  'arp_accept',
  'arp_announce',
  'arp_filter',
  'arp_ignore',
  'arp_notify',
  'forwarding',
  'proxy_arp',
  'rp_filter',
  'send_redirects',
] as const
const LINK6 = [
  'accept_dad',
  'accept_ra',
  'accept_redirects',
  'disable_ipv6',
  'forwarding',
  'proxy_ndp',
] as const
