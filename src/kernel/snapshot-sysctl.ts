/**
 * The settings of a namespace that change what a frame meets. Those of each link come with the
 * link dump (`IFLA_AF_SPEC`), which costs nothing; only `all`, `default` and the few of the whole
 * namespace are read from /proc.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { outgoing } from '../netlink/message.ts'
import type { Connection } from '../netlink/request.ts'
import { AF_INET, AF_INET6, RTM_GETNETCONF } from '../netlink/tables/header.ts'
import { NETCONF_ALL, NETCONF_DEFAULT, netconf } from '../netlink/tables/netconf.ts'
import { asSysError, errnoOf } from '../sys/errno.ts'
import { procRoot } from '../sys/proc.ts'
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

/** Those of `all` and `default` that `RTM_GETNETCONF` tells: no file is opened for them. */
const TOLD = {
  4: { forwarding: 'forwarding', rp_filter: 'rpFilter', proxy_arp: 'proxyNeighbour' },
  6: { forwarding: 'forwarding', proxy_ndp: 'proxyNeighbour' },
} as const

/**
 * Keys and files below `/proc/sys/net/FAMILY`. That directory is opened once for all of them: the
 * kernel keeps the `ipv4` of every namespace in one hash chain (fs/proc/proc_sysctl.c
 * proc_sys_compare), so with 1,000 namespaces each walk through it costs 40 us.
 */
const FAMILIES = ([4, 6] as const).map((version) => {
  const root = `net.ipv${version}.`
  const names = Object.keys(version === 4 ? IPV4_CONF : IPV6_CONF)
  const conf = names.filter((name) => !(name in TOLD[version]))
  const keys = [
    ...OF_NAMESPACE.filter((key) => key.startsWith(root)),
    ...['all', 'default'].flatMap((which) => conf.map((name) => `${root}conf.${which}.${name}`)),
  ]
  const below = sysctlPath(root).length
  return {
    path: sysctlPath(root),
    files: keys.map((key) => [key, sysctlPath(key).slice(below)] as const),
  }
})

/** Reads what is not in a link dump. Must run inside the namespace. */
export function readNamespaceSysctls(connection: Connection, into: Record<string, string>): void {
  for (const { path, files } of FAMILIES) {
    const directory = openSmall(path.replace('/proc', procRoot()))
    if (directory === undefined) continue
    try {
      for (const [key, file] of files) {
        const value = readSmall(`/proc/self/fd/${directory}/${file}`)
        if (value !== undefined) into[key] = value
      }
    } finally {
      closeSync(directory)
    }
  }
  readNetconf(connection, 4, into)
  readNetconf(connection, 6, into)
  const forwarding = into['net.ipv4.conf.all.forwarding']
  if (forwarding !== undefined) into['net.ipv4.ip_forward'] = forwarding
}

function readNetconf(connection: Connection, version: 4 | 6, into: Record<string, string>): void {
  const request = outgoing(RTM_GETNETCONF, 0, netconf, {
    family: version === 4 ? AF_INET : AF_INET6,
  })
  for (const { attributes } of connection.dump(request, netconf)) {
    const { index } = attributes
    if (index !== NETCONF_ALL && index !== NETCONF_DEFAULT) continue
    const root = `net.ipv${version}.conf.${index === NETCONF_ALL ? 'all' : 'default'}`
    for (const [name, field] of Object.entries(TOLD[version])) {
      const value = attributes[field]
      if (value !== undefined) into[`${root}.${name}`] = String(value)
    }
  }
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

/** A file of one number; `readFileSync` would ask for its size first. */
function readSmall(path: string): string | undefined {
  const fd = openSmall(path)
  if (fd === undefined) return undefined
  try {
    const length = readSync(fd, buffer, 0, buffer.length, null)
    return buffer.toString('latin1', 0, length).trimEnd()
  } finally {
    closeSync(fd)
  }
}

/** Undefined on a kernel without IPv6, or older than the setting. */
function openSmall(path: string): number | undefined {
  try {
    return openSync(path, 'r')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw asSysError(`open ${path}`, error)
  }
}
