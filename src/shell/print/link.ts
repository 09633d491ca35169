/** How `ip link` prints a link: print_linkinfo() and print_linkinfo_brief() of ip/ipaddress.c. */
import { formatMac, type Mac } from '../../addr/mac.ts'
import type { LinkSnapshot } from '../../fabric/snapshot.ts'
import type { View } from '../request.ts'
import { kindDetails, portDetails, TAIL } from './link-details.ts'

export interface LinkManner {
  readonly details: boolean
  readonly family?: 4 | 6 | undefined
}

/** The flags between < and >, in the tool's order. */
export function linkFlags(view: View, l: LinkSnapshot): string[] {
  const running = l.up && (l.operState === 'up' || l.operState === 'unknown')
  const none = l.kind === 'tun'
  const flags: [string, boolean][] = [
    ['NO-CARRIER', l.up && !running],
    ['LOOPBACK', l.kind === 'loopback'],
    ['BROADCAST', l.kind !== 'loopback' && !none],
    ['POINTOPOINT', none],
    // dummy_setup() clears IFF_MULTICAST.
    ['MULTICAST', l.kind !== 'loopback' && l.kind !== 'dummy'],
    ['NOARP', !l.arp],
    ['ALLMULTI', l.allmulticast],
    ['PROMISC', l.promisc],
    ['UP', l.up],
    ['LOWER_UP', l.up && l.carrier],
    ['M-DOWN', lowerIsDown(view, l)],
  ]
  return flags.filter(([, set]) => set).map(([name]) => name)
}

/** The link a name's `@` points to, when it is in the same namespace. */
function lowerHere(view: View, l: LinkSnapshot): LinkSnapshot | undefined {
  if (l.parent === undefined || l.parent.netns !== view.netns.name) return undefined
  const { index } = l.parent
  return view.netns.links.find((other) => other.index === index)
}

function lowerIsDown(view: View, l: LinkSnapshot): boolean {
  const lower = lowerHere(view, l)
  return lower !== undefined && !lower.up
}

/** `eth0@if3`, `krn1@krnpar`, `br0`. */
export function linkName(view: View, l: LinkSnapshot): string {
  if (l.parent === undefined || l.kind === 'vxlan') return l.name
  const lower = lowerHere(view, l)
  return `${l.name}@${lower?.name ?? `if${l.parent.index}`}`
}

/** ` link-netns NAME` of a link whose other end is elsewhere. */
export function linkNetns(view: View, l: LinkSnapshot): string | undefined {
  if (l.parent === undefined || l.parent.netns === view.netns.name) return undefined
  const { netns } = l.parent
  return netns === undefined || netns === '' ? 'link-netnsid 0' : `link-netns ${netns}`
}

export function linkState(l: LinkSnapshot): string {
  return l.up ? l.operState.toUpperCase() : 'DOWN'
}

export function linkQdisc(l: LinkSnapshot): string {
  return l.qdisc ?? (l.up ? 'noqueue' : 'noop')
}

export function linkType(l: LinkSnapshot): 'loopback' | 'none' | 'ether' {
  if (l.kind === 'loopback') return 'loopback'
  return l.kind === 'tun' ? 'none' : 'ether'
}

export function broadcastMac(l: LinkSnapshot): Mac {
  return l.kind === 'loopback' ? 0 : 0xffffffffffff
}

/** @param addresses as the head of `ip address` (no `mode DEFAULT`) */
export function printLink(
  view: View,
  l: LinkSnapshot,
  manner: LinkManner,
  addresses: boolean,
): string {
  const head = [
    `${l.index}: ${linkName(view, l)}: <${linkFlags(view, l).join(',')}>`,
    `mtu ${l.mtu}`,
    `qdisc ${linkQdisc(l)}`,
  ]
  if (l.master !== undefined) head.push(`master ${l.master}`)
  head.push(`state ${linkState(l)}`)
  if (!addresses) head.push('mode DEFAULT')
  head.push(`group ${l.group === 0 ? 'default' : l.group}`)
  if (l.txQueueLength !== 0) head.push(`qlen ${l.txQueueLength}`)
  let text = head.join(' ')
  if (manner.family === undefined || manner.details) {
    const type = linkType(l)
    text += `\n    link/${type}`
    text += type === 'none' ? ' ' : ` ${formatMac(l.address)} brd ${formatMac(broadcastMac(l))}`
  }
  const netns = linkNetns(view, l)
  if (netns !== undefined) text += ` ${netns}`
  if (manner.details) {
    text += ` promiscuity ${l.promiscuity}  allmulti ${l.allmulti}`
    text += ` minmtu ${l.minMtu} maxmtu ${l.maxMtu} `
    text += kindDetails(view, l) + portDetails(view, l)
    text += addresses ? TAIL.replace(/^addrgenmode \w+ /, '') : TAIL
  }
  if (l.alias !== undefined && !addresses) text += `\n    alias ${l.alias}`
  return `${text}\n`
}

export function briefLink(view: View, l: LinkSnapshot): string {
  const flags = linkFlags(view, l).join(',')
  const mac = linkType(l) === 'none' ? '' : `${formatMac(l.address)} `
  return `${briefHead(view, l)}${mac}<${flags}> \n`
}

export function briefHead(view: View, l: LinkSnapshot): string {
  return `${linkName(view, l).padEnd(16)} ${linkState(l).padEnd(14)} `
}
