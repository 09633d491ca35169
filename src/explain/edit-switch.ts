/** Candidates about the ports of switches: hairpin, isolation, flooding, VLANs. */
import type { Op, PortOptions } from '../fabric/plan.ts'
import type { LinkSnapshot } from '../fabric/snapshot.ts'
import { type Edit, type Failure, linkName, type Maker } from './edit.ts'

interface PortAt {
  readonly netns: string
  readonly link: LinkSnapshot
}

/** The bridge ports an exchange passed; the one where it ended first. */
function portsOf({ scene, visited, at }: Failure): PortAt[] {
  const last = at?.toLink ?? at?.link
  const ends = at === undefined || last === undefined ? [] : [{ netns: at.netns, link: last }]
  const found = new Map<string, PortAt>()
  for (const { netns, link } of [...ends, ...visited]) {
    const snapshot = scene.link(netns, link)
    if (snapshot?.port !== undefined) found.set(`${netns} ${link}`, { netns, link: snapshot })
  }
  return [...found.values()]
}

/** Ports towards the one asked: the exchange need not have come so far. */
function portsTowards(failure: Failure, netns: string | undefined): PortAt[] {
  const { scene } = failure
  return (scene.netns(netns)?.links ?? []).flatMap((own): PortAt[] => {
    let at = { netns: netns ?? '', link: own }
    for (let depth = 0; depth < 4 && at.link.kind !== 'veth'; depth++) {
      const below = scene.parentOf(at.link)
      if (below === undefined) return []
      at = below
    }
    const peer = scene.parentOf(at.link)
    return peer?.link.port === undefined ? [] : [peer]
  })
}

const OPTIONS: readonly {
  readonly set: PortOptions
  readonly title: string
  readonly wanted: (port: Required<PortOptions>) => boolean
}[] = [
  { set: { hairpin: true }, title: 'hairpin on', wanted: (p) => !p.hairpin },
  { set: { isolated: false }, title: 'isolation off', wanted: (p) => p.isolated },
  { set: { flood: true }, title: 'flooding of unknown MACs on', wanted: (p) => !p.flood },
  { set: { broadcastFlood: true }, title: 'broadcasts on', wanted: (p) => !p.broadcastFlood },
  { set: { multicastFlood: true }, title: 'multicasts on', wanted: (p) => !p.multicastFlood },
  { set: { learning: true }, title: 'learning on', wanted: (p) => !p.learning },
  { set: { locked: false }, title: 'lock off', wanted: (p) => p.locked },
]

export const portEdits: Maker = (failure) => {
  const near = portsOf(failure)
  const far = [failure.question.from, failure.question.to].flatMap((end) =>
    portsTowards(failure, end),
  )
  const all = new Map([...near, ...far].map((at) => [`${at.netns} ${at.link.name}`, at]))
  const every = [...all.values()].flatMap(({ netns, link }): Edit[] => {
    const { port } = link
    if (port === undefined) return []
    return OPTIONS.filter((option) => option.wanted(port)).map(({ set, title }) => ({
      title: `${title} at ${linkName(failure, netns, link.name)}`,
      cost: 1,
      ...(set.hairpin === true ? { popular: 'hairpin' as const } : {}),
      plan: [{ do: 'link.set', netns, name: link.name, port: set }],
    }))
  })
  return [...every, ...allHairpins(failure, [...all.values()])]
}

/** Two parents behind two ports may each need it. */
function allHairpins(failure: Failure, ports: readonly PortAt[]): Edit[] {
  const off = ports.filter(({ link }) => link.port?.hairpin === false)
  if (off.length !== 2) return []
  return [
    {
      title: `hairpin on at ${off.map((at) => linkName(failure, at.netns, at.link.name)).join(' and ')}`,
      cost: 2,
      plan: off.map(
        ({ netns, link }): Op => ({
          do: 'link.set',
          netns,
          name: link.name,
          port: { hairpin: true },
        }),
      ),
    },
  ]
}

/** VLAN membership of the ports an exchange passed, and of those it should have passed. */
export const vlanEdits: Maker = (failure) => {
  const { scene, at } = failure
  const near = portsOf(failure)
  const far = [failure.question.from, failure.question.to].flatMap((end) =>
    portsTowards(failure, end),
  )
  const ports = new Map([...near, ...far].map((p) => [`${p.netns} ${p.link.name}`, p]))
  const tag = at?.frame?.tags[0]?.id
  return [...ports.values()].flatMap(({ netns, link }): Edit[] => {
    const space = scene.netns(netns)
    const bridge = space?.links.find((l) => l.name === link.master)
    if (space === undefined || bridge?.bridge?.vlanFiltering !== true) return []
    const own = space.vlans.filter((v) => v.link === link.name)
    const known = new Set([
      ...(tag === undefined ? [] : [tag]),
      ...space.vlans.filter((v) => v.link !== bridge.name).map((v) => v.vlan),
    ])
    const where = linkName(failure, netns, link.name)
    const pvid = own.find((v) => v.pvid)?.vlan
    return [...known].flatMap((vlan): Edit[] => {
      const member = own.find((v) => v.vlan === vlan)
      const add = { do: 'bridge-vlan.add', netns, link: link.name, from: vlan } as const
      const tagged: Edit[] =
        member === undefined
          ? [{ title: `VLAN ${vlan} tagged at ${where}`, cost: 1, plan: [add] }]
          : []
      const access: Op[] = [
        ...(pvid === undefined || pvid === vlan
          ? []
          : [{ do: 'bridge-vlan.del', netns, link: link.name, from: pvid } as const]),
        { ...add, pvid: true, untagged: true },
      ]
      const untagged: Edit[] =
        member?.pvid === true && member.untagged
          ? []
          : [{ title: `VLAN ${vlan} untagged (access) at ${where}`, cost: 1, plan: access }]
      return [...tagged, ...untagged]
    })
  })
}
