/** Candidates about links as such: up, MTU, ARP, promiscuous mode, VLAN links that are missing. */
import { formatNetem } from '../fabric/netem.ts'
import type { LinkSnapshot } from '../fabric/snapshot.ts'
import { endsOf } from './edit-child.ts'
import { type Edit, type Failure, linkName, type Maker } from './edit.ts'
import type { LinkAt } from './scene.ts'

/** The links below one, itself first, down to and across its cable. */
function stackBelow({ scene }: Failure, netns: string, link: LinkSnapshot): LinkAt[] {
  const out: LinkAt[] = [{ netns, link }]
  for (let at = out[0]; at !== undefined && out.length < 8; ) {
    const below = scene.parentOf(at.link)
    if (below === undefined || out.some((o) => o.link === below.link)) break
    out.push(below)
    const { master } = below.link
    const bridge = master === undefined ? undefined : scene.link(below.netns, master)
    if (bridge !== undefined) out.push({ netns: below.netns, link: bridge })
    if (at.link.kind === 'veth') break
    at = below
  }
  return out
}

function involved(failure: Failure): LinkAt[] {
  const { scene, visited } = failure
  const ends = endsOf(failure).flatMap((netns) =>
    (scene.netns(netns)?.links ?? []).flatMap((link) => stackBelow(failure, netns, link)),
  )
  const passed = visited.flatMap(({ netns, link }): LinkAt[] => {
    const snapshot = scene.link(netns, link)
    return snapshot === undefined ? [] : [{ netns, link: snapshot }]
  })
  const all = new Map([...ends, ...passed].map((at) => [`${at.netns} ${at.link.index}`, at]))
  return [...all.values()]
}

/** Whatever is down on the way. */
export const upEdits: Maker = (failure) => {
  const down = involved(failure).filter(({ link }) => !link.up && link.kind !== 'loopback')
  const up = ({ netns, link }: LinkAt) =>
    ({ do: 'link.set', netns, name: link.name, up: true }) as const
  const named = (at: LinkAt) => linkName(failure, at.netns, at.link.name)
  const each = down.map((at): Edit => ({ title: `${named(at)} up`, cost: 1, plan: [up(at)] }))
  if (down.length < 2) return each
  // What is lower comes up first.
  const plan = down.toReversed().map(up)
  return [...each, { title: `${down.map(named).join(', ')} up`, cost: down.length, plan }]
}

/** ARP switched off, and cards that let go of what is not theirs. */
export const arpLinkEdits: Maker = (failure) =>
  involved(failure)
    .filter(({ link }) => !link.arp && link.kind !== 'loopback' && link.ipvlan === undefined)
    .map(({ netns, link }) => ({
      title: `ARP on at ${linkName(failure, netns, link.name)}`,
      cost: 1,
      plan: [{ do: 'link.set', netns, name: link.name, arp: true }],
    }))

/** The links whose MTU is smaller than the largest on the way. */
export const mtuEdits: Maker = (failure) => {
  const { code } = failure
  if (code !== 'MTU_EXCEEDED' && code !== 'MTU_TOO_SMALL') return []
  const links = involved(failure).filter(({ link }) => link.kind !== 'loopback')
  const largest = Math.max(...links.map(({ link }) => link.mtu))
  const smallest = Math.min(...links.map(({ link }) => link.mtu))
  return links.flatMap(({ netns, link }): Edit[] => {
    const at = linkName(failure, netns, link.name)
    const set = (mtu: number): Edit => ({
      title: `MTU ${mtu} at ${at} (is ${link.mtu})`,
      cost: 1,
      plan: [{ do: 'link.set', netns, name: link.name, mtu }],
    })
    return [
      ...(link.mtu < largest ? [set(largest)] : []),
      ...(link.mtu > smallest ? [set(smallest)] : []),
    ]
  })
}

/** Impairments of the cables on the way, each by itself and all of them. */
export const impairEdits: Maker = (failure) => {
  if (!failure.code.startsWith('NETEM_')) return []
  const impaired = involved(failure).filter(({ link }) => link.netem !== undefined)
  const del = ({ netns, link }: LinkAt) => ({ do: 'qdisc.del', netns, link: link.name }) as const
  const named = (at: LinkAt) => linkName(failure, at.netns, at.link.name)
  const each = impaired.map(
    (at): Edit => ({
      title: `no impairment at ${named(at)} (${formatNetem(at.link.netem ?? {})})`,
      cost: 1,
      plan: [del(at)],
    }),
  )
  if (impaired.length < 2) return each
  const title = `no impairment at ${impaired.map(named).join(', ')}`
  return [...each, { title, cost: impaired.length, plan: impaired.map(del) }]
}

/** The first thing people try. */
export const promiscEdits: Maker = (failure) => {
  const { scene } = failure
  return endsOf(failure).flatMap((netns) =>
    (scene.netns(netns)?.links ?? [])
      .filter((l) => l.kind !== 'loopback')
      .flatMap((link) => {
        const parent = link.kind === 'veth' ? undefined : scene.parentOf(link)
        return [{ netns, link }, ...(parent === undefined ? [] : [parent])]
      })
      .filter(({ link }) => !link.promisc)
      .map(
        (at): Edit => ({
          title: `promiscuous mode at ${linkName(failure, at.netns, at.link.name)}`,
          cost: 1,
          popular: 'promisc',
          plan: [{ do: 'link.set', netns: at.netns, name: at.link.name, promisc: true }],
        }),
      ),
  )
}

/** A MAC two links of one wire share. */
export const macEdits: Maker = (failure) => {
  const { scene, question } = failure
  const all = scene.links().filter(({ link }) => link.kind !== 'loopback')
  return endsOf(failure).flatMap((netns) =>
    (scene.netns(netns)?.links ?? []).flatMap((link): Edit[] => {
      const twin = all.some(
        (o) => o.link.address === link.address && (o.netns !== netns || o.link.name !== link.name),
      )
      const fixed = link.kind === 'loopback' || link.ipvlan !== undefined
      const inherits = link.kind === 'vlan' || link.macvlan?.mode === 'passthru'
      if (!twin || fixed || inherits) return []
      const mac = 0x02ffff000000 + (netns === question.from ? 1 : 2) * 256 + link.index
      return [
        {
          title: `a MAC of its own for ${linkName(failure, netns, link.name)}`,
          cost: 1,
          plan: [{ do: 'link.set', netns, name: link.name, address: mac }],
        },
      ]
    }),
  )
}
