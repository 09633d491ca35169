/**
 * Where what stopped a frame comes from on a live host: no file says it, so the command line that
 * makes a link, a setting or a rule like the one found, and whose it is.
 */
import { formatIp } from '../addr/ip.ts'
import { formatPrefix } from '../addr/prefix.ts'
import type { LinkSpec } from '../fabric/plan.ts'
import { printOp } from '../fabric/print-ip.ts'
import type { ReasonCode } from '../fabric/reason.ts'
import type { LinkSnapshot, RouteSnapshot } from '../fabric/snapshot.ts'
import { isOutside } from './beyond.ts'
import type { Question } from './question.ts'
import type { LinkAt, Scene } from './scene.ts'
import type { Origin, Place } from './types.ts'

/** Settings of a namespace (`%` stands for a link) by the reason they bring about. */
const SETTINGS: { readonly [C in ReasonCode]?: readonly string[] } = {
  IP_FORWARD_OFF: ['net.ipv4.ip_forward'],
  ARP_IGNORED: ['net.ipv4.conf.all.arp_ignore', 'net.ipv4.conf.%.arp_ignore'],
  ARP_FILTERED: ['net.ipv4.conf.all.arp_filter', 'net.ipv4.conf.%.arp_filter'],
  RP_FILTER: ['net.ipv4.conf.all.rp_filter', 'net.ipv4.conf.%.rp_filter'],
  ECHO_IGNORED: ['net.ipv4.icmp_echo_ignore_all'],
  IPV6_DISABLED: ['net.ipv6.conf.%.disable_ipv6'],
}

const ROUTES: ReadonlySet<string> = new Set([
  'NO_ROUTE',
  'NO_ROUTE_BACK',
  'ROUTE_UNREACHABLE',
  'ROUTE_BLACKHOLE',
  'ROUTE_PROHIBIT',
])

/** @param owner whose a namespace is: `Docker container web`, `network lan of Lanyard` */
export function liveOrigins(
  scene: Scene,
  question: Question,
  owner: (netns: string, link: LinkSnapshot | undefined) => string | undefined,
): (place: Place, code: ReasonCode) => Origin[] {
  return (place, code) => {
    const lines: string[] = []
    const add = (netns: string, link: string | undefined, text: string | undefined): void => {
      if (text === undefined) return
      const whose = owner(netns, scene.link(netns, link))
      lines.push(whose === undefined ? text : `${text}  # ${whose}`)
    }
    if (isOutside(place.netns)) lines.push(assumed(place, code, question.to !== undefined))
    else {
      for (const text of settings(scene, place, code)) add(place.netns, place.link, text)
      if (ROUTES.has(code)) {
        for (const text of routes(scene, place.netns)) add(place.netns, undefined, text)
      }
      const link = scene.link(place.netns, place.toLink ?? place.link)
      if (link !== undefined) add(place.netns, link.name, linkLine(scene, place.netns, link))
    }
    for (const netns of [question.from, question.to]) {
      if (netns === undefined || isOutside(netns)) continue
      for (const link of scene.childLinks(netns))
        add(netns, link.name, linkLine(scene, netns, link))
    }
    return [...new Set(lines)]
      .slice(0, 3)
      .map((text) => ({ file: undefined, line: undefined, text }))
  }
}

function assumed({ netns, link, toLink }: Place, code: ReasonCode, held: boolean): string {
  const where = toLink ?? link ?? netns.slice(1)
  if (code === 'BRIDGE_NO_HAIRPIN' && held) {
    return `assumed: the switch at ${where} does not send frames back (else: --assume hairpin)`
  }
  return 'what lies beyond the wire, as it is assumed below'
}

function settings(scene: Scene, { netns, link }: Place, code: ReasonCode): string[] {
  return (SETTINGS[code] ?? []).flatMap((pattern) => {
    const key = pattern.replace('%', (link ?? 'all').replaceAll('.', '/'))
    const value = scene.sysctl(netns, key)
    if (value === undefined) return []
    return printOp({ do: 'sysctl.set', netns, key, value })
  })
}

/** Routes as they are, where none of them fits. */
function routes(scene: Scene, netns: string): string[] {
  const all = scene.netns(netns)?.routes.filter((r) => r.table === 254) ?? []
  if (all.length === 0) return ['it has no route at all']
  return [`its routes: ${all.slice(0, 4).map(routeText).join('; ')}`]
}

function routeText({ to, via, link, type }: RouteSnapshot): string {
  const what = to.length === 0 ? 'default' : formatPrefix(to)
  const by = via === undefined ? '' : ` via ${formatIp(via)}`
  return `${type === 'unicast' ? '' : `${type} `}${what}${by}${link === undefined ? '' : ` dev ${link}`}`
}

/** `ip link add ...`, for the kinds that decide who reaches whom. */
function linkLine(scene: Scene, netns: string, link: LinkSnapshot): string | undefined {
  const parent = scene.parentOf(link)
  const spec = specOf(link, parent)
  if (spec === undefined) return link.up ? undefined : `link ${link.name} is down`
  const parentNetns =
    parent === undefined || parent.netns === netns ? {} : { parentNetns: parent.netns }
  const [line] = printOp({ do: 'link.add', netns, name: link.name, spec, ...parentNetns })
  return line
}

function specOf(link: LinkSnapshot, parent: LinkAt | undefined): LinkSpec | undefined {
  const { macvlan, ipvlan, vlan } = link
  const on = parent?.link.name
  if (macvlan !== undefined) {
    return { kind: 'macvlan', parent: on, macvlan: { mode: macvlan.mode } }
  }
  if (ipvlan !== undefined) return { kind: 'ipvlan', parent: on, mode: ipvlan.mode }
  return vlan === undefined ? undefined : { kind: 'vlan', parent: on, id: vlan.id }
}
