/** The ends of a question about a live host: names, addresses, `host`, `netns.link`. */
import { formatIp, type Ip, tryParseIp } from '../addr/ip.ts'
import { contains } from '../addr/prefix.ts'
import { LanyardError } from '../errors.ts'
import type { Question } from '../explain/question.ts'
import type { Scene } from '../explain/scene.ts'
import { familyIs } from '../explain/scene.ts'
import type { AddressSnapshot } from '../fabric/snapshot.ts'
import type { Asking } from '../lab/explain.ts'
import { didYouMean, listed } from '../lab/text.ts'
import type { Container } from './containers.ts'
import type { LiveNames } from './live-names.ts'

export interface LiveEnd {
  /** Undefined for an address nobody here holds. */
  readonly netns: string | undefined
  readonly link: string | undefined
  readonly ip: Ip | undefined
}

export interface LiveGround {
  readonly scene: Scene
  readonly names: LiveNames
  readonly containers: readonly Container[]
}

/** The question behind two names. @throws LanyardError `usage` for ends that are not there */
export function liveQuestion(ground: LiveGround, asking: Asking): Question {
  const { scene, names } = ground
  const from = liveEnd(ground, asking.from)
  const to = liveEnd(ground, asking.to)
  const call = (netns: string): string => names.of.get(netns) ?? netns
  const { protocol, port, size } = asking
  if (from.netns === undefined) {
    return usage(
      `${asking.from} is no address of this machine: ask from one of its own ends (${some(names)})`,
    )
  }
  if (to.netns === from.netns) usage(`FROM and TO are both ${call(from.netns)}: it reaches itself`)
  const family = familyFor(ground, from, to, asking)
  const own = addressesOf(scene, from, family)
  if (own.length === 0) notUp(ground, from, asking.from, family)
  const target = to.ip ?? targetOf(addressesOf(scene, to, family), own)
  if (target === undefined) return notUp(ground, to, asking.to, family)
  if (protocol === 'arp' && family === 6) usage('ARP is for IPv4: leave out -6 or the protocol')
  const near = own.find((a) => contains(a.address, target)) ?? own[0]
  const bound = from.ip ?? (from.link === undefined ? undefined : near?.address.address)
  return {
    from: from.netns,
    to: to.netns,
    target,
    protocol,
    ...(bound === undefined ? {} : { source: bound }),
    ...(port === undefined ? {} : { port }),
    ...(size === undefined ? {} : { size }),
    ...(protocol === 'arp' && near !== undefined ? { link: near.link } : {}),
  }
}

/** What a word means here. */
export function liveEnd(ground: LiveGround, text: string): LiveEnd {
  const { scene, names, containers } = ground
  const ip = tryParseIp(text)
  if (ip !== undefined) {
    const [owner] = scene.owners(ip)
    return { netns: owner?.netns, link: undefined, ip }
  }
  const netns = names.known.get(text)
  if (netns !== undefined) return { netns, link: undefined, ip: undefined }
  for (let at = text.indexOf('.'); at > 0; at = text.indexOf('.', at + 1)) {
    const found = names.known.get(text.slice(0, at))
    const link = text.slice(at + 1)
    if (found === undefined) continue
    if (scene.link(found, link) !== undefined) return { netns: found, link, ip: undefined }
    const links = scene.netns(found)?.links.map((l) => l.name) ?? []
    return usage(
      `${text.slice(0, at)} has no link "${link}"${didYouMean(link, links)}: it has ${listed(links)}`,
    )
  }
  const stopped = containers.find((one) => one.name === text || one.id.startsWith(text))
  if (stopped !== undefined && text.length > 2) {
    const { name, state, engine, pid } = stopped
    if (pid === undefined) {
      return usage(
        `container ${name} is not up (${state}): start it first: ${engine} start ${name}`,
      )
    }
    return usage(`container ${name} runs, but its namespace could not be read`)
  }
  const all = [...names.known.keys()].filter((name) => !name.startsWith('pid:'))
  return usage(`there is no end "${text}"${didYouMean(text, all)} here: there are ${some(names)}`)
}

const SHOWN = 12

function some({ of }: LiveNames): string {
  const all = [...of.values()].toSorted((a, b) => Number(b === 'host') - Number(a === 'host'))
  const more = all.length - SHOWN
  return more > 0 ? `${all.slice(0, SHOWN).join(', ')} and ${more} more` : listed(all)
}

function addressesOf(scene: Scene, { netns, link, ip }: LiveEnd, family: 4 | 6): AddressSnapshot[] {
  const all = scene.addresses(netns, family)
  const there = link === undefined ? all : all.filter((a) => a.link === link)
  return ip === undefined ? there : there.filter((a) => a.address.address === ip)
}

/** Of several addresses the one on a subnet with the asker. */
function targetOf(
  theirs: readonly AddressSnapshot[],
  own: readonly AddressSnapshot[],
): Ip | undefined {
  const near = theirs.find((t) => own.some((o) => contains(o.address, t.address.address)))
  return (near ?? theirs[0])?.address.address
}

function familyFor({ scene }: LiveGround, from: LiveEnd, to: LiveEnd, asking: Asking): 4 | 6 {
  const given = to.ip ?? from.ip
  if (given !== undefined) {
    const family = typeof given === 'bigint' ? 6 : 4
    if (asking.family !== undefined && asking.family !== family) {
      usage(`${formatIp(given)} is an IPv${family} address, and IPv${asking.family} was asked for`)
    }
    return family
  }
  if (asking.family !== undefined) return asking.family
  const has = (end: LiveEnd): boolean => addressesOf(scene, end, 4).length > 0
  const six = (end: LiveEnd): boolean => addressesOf(scene, end, 6).length > 0
  return (!has(from) || !has(to)) && six(from) && six(to) ? 6 : 4
}

/** Why an end has no address to speak with. */
function notUp({ scene, names }: LiveGround, end: LiveEnd, text: string, family: 4 | 6): never {
  const netns = end.netns ?? ''
  const called = names.of.get(netns) ?? text
  const links = (scene.netns(netns)?.links ?? []).filter(
    (l) => l.kind !== 'loopback' && (end.link === undefined || l.name === end.link),
  )
  if (links.length === 0) return usage(`${called} has no link but lo: it is on no network`)
  const other = scene.netns(netns)?.addresses.some((a) => !familyIs(a.address, family)) === true
  const hint = other && family === 6 ? ' (leave out -6)' : ''
  const down = links.filter((l) => !l.up).map((l) => l.name)
  if (down.length === links.length) {
    return usage(`${called} is not up: ${listed(down)} ${down.length === 1 ? 'is' : 'are'} down`)
  }
  return usage(`${called} has no IPv${family} address${hint}`)
}

function usage(sentence: string): never {
  throw new LanyardError('usage', { sentence, help: 'lanyard explain --help' })
}
