/**
 * `ip` of busybox 1.35: it reads as iproute2 does, and prints as an older one did. Its `M-DOWN` of
 * a link whose parent is elsewhere is its own (it asks a link it does not know whether it is up).
 */
import { formatIp } from '../../addr/ip.ts'
import { formatMac } from '../../addr/mac.ts'
import { formatPrefix } from '../../addr/prefix.ts'
import type { AddressSnapshot, LinkSnapshot } from '../../fabric/snapshot.ts'
import { allRoutes } from '../ip/implied.ts'
import { routeTarget } from '../ip/route-show.ts'
import { linkFlags, linkName, linkQdisc, linkType } from '../print/link.ts'
import { noSuchNetns, takeView, type View } from '../request.ts'
import { type Command, done, failed, type Output } from '../session.ts'

/** @param ip the command of iproute2, for what changes something */
export function busyboxIp(ip: Command): Command {
  return async (session, words, stdin) => {
    const options = words.filter((w) => w.startsWith('-'))
    const [object = '', verb = 'show', ...rest] = words.filter((w) => !w.startsWith('-'))
    const six = options.includes('-6')
    const four = options.includes('-4')
    const shows = 'show'.startsWith(verb) || 'list'.startsWith(verb) || verb === 'lst'
    const view = await takeView(session, session.netns)
    if (view === undefined) return noSuchNetns(session.netns)
    if (shows && object !== '' && ('address'.startsWith(object) || 'link'.startsWith(object))) {
      const addresses = !'link'.startsWith(object)
      const names = rest.filter((w) => w !== 'dev')
      return showLinks(view, names[0], addresses, { four, six, one: options.includes('-o') })
    }
    if (shows && object !== '' && 'route'.startsWith(object) && rest.length === 0) {
      return done(showRoutes(view, six))
    }
    const out = await ip(session, words, stdin)
    return { ...out, stderr: out.stderr.replace(/^(?=RTNETLINK)/gm, 'ip: ') }
  }
}

interface Manner {
  readonly four: boolean
  readonly six: boolean
  readonly one: boolean
}

function showLinks(
  view: View,
  name: string | undefined,
  addresses: boolean,
  manner: Manner,
): Output {
  const links = view.netns.links.filter((l) => name === undefined || l.name === name)
  if (name !== undefined && links.length === 0) {
    return failed(1, `ip: can't find device '${name}'\n`)
  }
  const bare = manner.four || manner.six
  const text = links
    .toSorted((a, b) => a.index - b.index)
    .map((l) => {
      const lines = addresses ? addressLines(view, l, manner) : []
      if (bare && lines.length === 0) return ''
      if (manner.one) {
        const short = (line: string) => `${l.index}: ${l.name}    ${line.replace('\n', '\\')}\n`
        return lines.map(short).join('')
      }
      const mac = bare
        ? ''
        : `    link/${linkType(l)} ${formatMac(l.address)} brd ${broadcast(l)}\n`
      return `${head(view, l)}\n${mac}${lines.map((line) => `    ${line}\n`).join('')}`
    })
    .join('')
  return done(text)
}

const broadcast = (l: LinkSnapshot): string =>
  l.kind === 'loopback' ? '00:00:00:00:00:00' : 'ff:ff:ff:ff:ff:ff'

function head(view: View, l: LinkSnapshot): string {
  const flags = linkFlags(view, l)
  if (l.parent !== undefined && l.parent.netns !== view.netns.name) flags.push('M-DOWN')
  const queue = l.txQueueLength === 0 ? '' : `qlen ${l.txQueueLength}`
  return `${l.index}: ${linkName(view, l)}: <${flags.join(',')}> mtu ${l.mtu} qdisc ${linkQdisc(l)} ${queue}`
}

function addressLines(view: View, l: LinkSnapshot, manner: Manner): string[] {
  const mine = view.netns.addresses.filter((a) => a.link === l.name)
  const is4 = (a: AddressSnapshot) => typeof a.address.address === 'number'
  return [...mine.filter(is4), ...mine.filter((a) => !is4(a))]
    .filter((a) => (is4(a) ? !manner.six : !manner.four))
    .map((a) => {
      const out = [is4(a) ? 'inet' : 'inet6', formatPrefix(a.address)]
      if (a.broadcast !== undefined) out.push('brd', formatIp(a.broadcast))
      out.push('scope', a.scope)
      if (a.secondary) out.push('secondary')
      if (a.dynamic && !is4(a) && a.scope === 'global') out.push('dynamic')
      if (a.tentative) out.push('tentative')
      const line = is4(a) ? `${out.join(' ')} ${l.name}` : `${out.join(' ')} `
      return `${line}\n       valid_lft forever preferred_lft forever`
    })
}

/** Two blanks before `src`: where a protocol would stand that it does not print. */
function showRoutes(view: View, six: boolean): string {
  return allRoutes(view.netns)
    .filter((r) => r.table === 254 && (typeof r.to.address === 'bigint') === six)
    .filter((r) => r.type === 'unicast' || r.type === 'unreachable' || r.type === 'blackhole')
    .map((r) => {
      const out: string[] = r.type === 'unicast' ? [] : [r.type]
      out.push(routeTarget(r))
      if (r.via !== undefined) out.push('via', formatIp(r.via))
      if (r.link !== undefined) out.push('dev', r.link)
      if (r.scope !== 'global' && !six) out.push('scope', r.scope)
      if (r.source !== undefined) out.push(' src', formatIp(r.source))
      if (r.metric !== 0) out.push(' metric', String(r.metric))
      return `${out.join(' ')} \n`
    })
    .join('')
}
