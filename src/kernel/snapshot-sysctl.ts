/**
 * The settings of a namespace that change what a frame meets. Those of each link come with the
 * link dump (`IFLA_AF_SPEC`), which costs nothing; only `all`, `default` and the few of the whole
 * namespace are read from /proc.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { asSysError, errnoOf } from '../sys/errno.ts'
import { sysctlPath } from '../sys/sysctl.ts'
import type { LinkEntry } from './snapshot-link.ts'

/** `IPV4_DEVCONF_*` (include/uapi/linux/ip.h): the word at N - 1 of `IFLA_INET_CONF`. */
const IPV4_CONF = {
  forwarding: 1,
  proxy_arp: 3,
  accept_redirects: 4,
  send_redirects: 6,
  rp_filter: 8,
  arp_filter: 13,
  arp_announce: 18,
  arp_ignore: 19,
  arp_accept: 21,
  arp_notify: 22,
  accept_local: 23,
} as const

/** `DEVCONF_*` (include/uapi/linux/ipv6.h): the word at N of `IFLA_INET6_CONF`. */
const IPV6_CONF = {
  forwarding: 0,
  accept_ra: 3,
  accept_redirects: 4,
  proxy_ndp: 22,
  disable_ipv6: 26,
  accept_dad: 27,
} as const

const OF_NAMESPACE = [
  'net.ipv4.ip_default_ttl',
  'net.ipv4.icmp_echo_ignore_all',
  'net.ipv4.icmp_echo_ignore_broadcasts',
  'net.ipv6.icmp.echo_ignore_all',
] as const

const FILES: readonly (readonly [key: string, path: string])[] = [
  ...OF_NAMESPACE,
  ...['all', 'default'].flatMap((which) => [
    ...Object.keys(IPV4_CONF).map((name) => `net.ipv4.conf.${which}.${name}`),
    ...Object.keys(IPV6_CONF).map((name) => `net.ipv6.conf.${which}.${name}`),
  ]),
].map((key) => [key, sysctlPath(key)])

/** Reads what is not in a link dump. Must run inside the namespace. */
export function readNamespaceSysctls(into: Record<string, string>): void {
  for (const [key, path] of FILES) {
    const value = readSmall(path)
    if (value !== undefined) into[key] = value
  }
  const forwarding = into['net.ipv4.conf.all.forwarding']
  if (forwarding !== undefined) into['net.ipv4.ip_forward'] = forwarding
}

/** The settings of one link. A dot in its name is written `/`, as in `sysctl.set`. */
export function readLinkSysctls(entry: LinkEntry, into: Record<string, string>): void {
  const { name, afSpec } = entry.attributes
  if (name === undefined || afSpec === undefined) return
  const step = name.replaceAll('.', '/')
  const four = afSpec.inet?.conf
  if (four !== undefined) {
    for (const [key, word] of Object.entries(IPV4_CONF)) {
      const value = four[word - 1]
      if (value !== undefined) into[`net.ipv4.conf.${step}.${key}`] = String(value)
    }
  }
  const six = afSpec.inet6?.conf
  if (six !== undefined) {
    for (const [key, word] of Object.entries(IPV6_CONF)) {
      const value = six[word]
      if (value !== undefined) into[`net.ipv6.conf.${step}.${key}`] = String(value)
    }
  }
}

const buffer = Buffer.alloc(64)

/**
 * A file of one number: a third of the time `readFileSync` takes, which asks for the size first.
 */
function readSmall(path: string): string | undefined {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (error) {
    // A kernel without IPv6, or older than the setting.
    if (errnoOf(error) === 'ENOENT') return undefined
    throw asSysError(`open ${path}`, error)
  }
  try {
    const length = readSync(fd, buffer, 0, buffer.length, null)
    return buffer.toString('latin1', 0, length).trimEnd()
  } finally {
    closeSync(fd)
  }
}
