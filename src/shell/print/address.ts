/** The address lines of `ip address`: print_addrinfo() of ip/ipaddress.c. */
import { formatIp } from '../../addr/ip.ts'
import { formatPrefix } from '../../addr/prefix.ts'
import type { AddressSnapshot, LinkSnapshot } from '../../fabric/snapshot.ts'
import type { View } from '../request.ts'
import { briefHead, type LinkManner } from './link.ts'

function addressesOf(view: View, l: LinkSnapshot, manner: LinkManner): AddressSnapshot[] {
  const mine = view.netns.addresses.filter((a) => a.link === l.name)
  const four = mine.filter((a) => typeof a.address.address === 'number')
  const six = mine.filter((a) => typeof a.address.address === 'bigint')
  return [...(manner.family === 6 ? [] : four), ...(manner.family === 4 ? [] : six)]
}

export function printAddresses(view: View, l: LinkSnapshot, manner: LinkManner): string {
  return addressesOf(view, l, manner)
    .map((a) => `    ${printAddress(a)}\n       valid_lft forever preferred_lft forever\n`)
    .join('')
}

function printAddress(a: AddressSnapshot): string {
  const four = typeof a.address.address === 'number'
  const out = [four ? 'inet' : 'inet6', formatPrefix(a.address)]
  if (a.broadcast !== undefined) out.push('brd', formatIp(a.broadcast))
  out.push('scope', a.scope)
  if (a.secondary) out.push('secondary')
  if (a.dynamic && !four && a.scope === 'global') out.push('dynamic', 'mngtmpaddr')
  if (a.dadFailed) out.push('dadfailed')
  if (a.tentative || a.dadFailed) out.push('tentative')
  return four ? `${out.join(' ')} ${a.link}` : `${out.join(' ')} `
}

export function briefAddresses(view: View, l: LinkSnapshot, manner: LinkManner): string {
  const list = addressesOf(view, l, manner)
  return `${briefHead(view, l)}${list.map((a) => `${formatPrefix(a.address)} `).join('')}\n`
}

/** `-oneline`: no line of the link, and its number and name before each address. */
export function oneLineAddresses(view: View, l: LinkSnapshot, manner: LinkManner): string {
  const tail = '\\       valid_lft forever preferred_lft forever\n'
  return addressesOf(view, l, manner)
    .map((a) => `${l.index}: ${l.name}    ${printAddress(a)}${tail}`)
    .join('')
}
