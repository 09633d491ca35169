/** Candidates about macvlan and ipvlan children: modes, parents, host access. */
import { hostPrefix, contains } from '../addr/prefix.ts'
import { addToIp, type Ip } from '../addr/ip.ts'
import type { LinkSpec, Op } from '../fabric/plan.ts'
import type { LinkSnapshot } from '../fabric/snapshot.ts'
import { type Edit, type Failure, keyOf, type Maker } from './edit.ts'
import type { LinkAt } from './scene.ts'

/** The ends of the question that are known. */
export function endsOf({ question }: Failure): string[] {
  return question.to === undefined ? [question.from] : [question.from, question.to]
}

/** Another mode for the children at either end, or at both. */
export const modeEdits: Maker = (failure) => {
  const ends = endsOf(failure).flatMap((netns) =>
    failure.scene.childLinks(netns).map((link): LinkAt => ({ netns, link })),
  )
  const settable = ends.filter(({ link }) => link.macvlan !== undefined)
  const single = settable.flatMap((at) => [
    ...modeEdit(failure, [at], 'bridge'),
    ...modeEdit(failure, [at], 'vepa'),
  ])
  const both = settable.length < 2 ? [] : modeEdit(failure, settable, 'bridge')
  const vepa = settable.length < 2 ? [] : modeEdit(failure, settable, 'vepa')
  const flags = ends
    .filter(({ link }) => link.ipvlan !== undefined && link.ipvlan.flag !== 'bridge')
    .map(
      ({ netns, link }): Edit => ({
        title: `flag bridge for the ipvlan children of the parent of ${failure.name(netns)}`,
        cost: 1,
        plan: [{ do: 'link.set', netns, name: link.name, ipvlan: { flag: 'bridge' } }],
      }),
    )
  const greedy = passthruOn(failure).flatMap((at) => modeEdit(failure, [at], 'bridge'))
  const sources = sourceEdits(failure, ends)
  return [...both, ...single, ...vepa, ...greedy, ...flags.slice(0, 1), ...sources]
}

/** Passthru children that take what is meant for an end. */
function passthruOn(failure: Failure): LinkAt[] {
  const { scene } = failure
  return endsOf(failure).flatMap((netns) =>
    (scene.netns(netns)?.links ?? []).flatMap((link) =>
      scene.childrenOf(netns, link).filter((at) => at.link.macvlan?.mode === 'passthru'),
    ),
  )
}

function modeEdit(failure: Failure, ends: readonly LinkAt[], mode: 'bridge' | 'vepa'): Edit[] {
  const changed = ends.filter(({ link }) => link.macvlan?.mode !== mode)
  // A pair of which one is right already is the same as the one alone.
  if (changed.length !== ends.length) return []
  const names = [...new Set(changed.map((at) => failure.name(at.netns)))]
  return [
    {
      title:
        names.length > 1
          ? `both ${names.join(' and ')} in mode ${mode}`
          : `${names[0]} in mode ${mode}`,
      cost: changed.length,
      ...(mode === 'bridge' || changed.length === 1 ? { popular: 'mode' as const } : {}),
      plan: changed.flatMap((at): Op[] =>
        at.link.macvlan?.mode === 'passthru'
          ? remakeOps(failure, at, undefined, mode)
          : [{ do: 'link.set', netns: at.netns, name: at.link.name, macvlan: { mode } }],
      ),
      ...(changed.some(({ link }) => link.macvlan?.mode === 'passthru')
        ? { undo: changed.flatMap((at) => remakeOps(failure, at, undefined, undefined)) }
        : {}),
    },
  ]
}

/** A source child hears only the MACs on its list. */
function sourceEdits({ scene, question, name }: Failure, ends: readonly LinkAt[]): Edit[] {
  return ends.flatMap(({ netns, link }): Edit[] => {
    if (link.macvlan?.mode !== 'source') return []
    const other = netns === question.from ? question.to : question.from
    const macs = (scene.netns(other)?.links ?? [])
      .filter((l) => l.kind !== 'loopback' && !link.macvlan?.sources.includes(l.address))
      .map((l) => l.address)
    if (macs.length === 0 || other === undefined) return []
    return [
      {
        title: `${name(netns)} hears the MAC of ${name(other)} too`,
        cost: 1,
        plan: [
          {
            do: 'link.set',
            netns,
            name: link.name,
            macvlan: { sources: { change: 'add', macs } },
          },
        ],
      },
    ]
  })
}

/** A child that sits on a VLAN link put on the card itself, and the other way round. */
export const parentEdits: Maker = (failure) => {
  const { scene, name } = failure
  return endsOf(failure).flatMap((netns) =>
    scene.childLinks(netns).flatMap((link): Edit[] => {
      const parent = scene.parentOf(link)
      if (parent === undefined) return []
      const below = scene.parentOf(parent.link)
      const beside = scene
        .childrenOf(parent.netns, parent.link)
        .filter((at) => at.netns === parent.netns && at.link.vlan !== undefined)
      const others = [
        ...(parent.link.vlan !== undefined && below !== undefined ? [below] : []),
        ...beside,
      ]
      return others.map((other) => ({
        title: `${name(netns)} on parent ${other.link.name} instead of ${parent.link.name}`,
        cost: 1,
        plan: remakeOps(failure, { netns, link }, other, undefined),
        undo: remakeOps(failure, { netns, link }, undefined, undefined),
      }))
    }),
  )
}

/** Removes a child and makes it again, with its addresses and routes. */
function remakeOps(
  { scene }: Failure,
  { netns, link }: LinkAt,
  wanted: LinkAt | undefined,
  mode: 'bridge' | 'vepa' | undefined,
): Op[] {
  const parent = wanted ?? scene.parentOf(link)
  const space = scene.netns(netns)
  if (parent === undefined || space === undefined) return []
  const spec: LinkSpec =
    link.ipvlan === undefined
      ? {
          kind: 'macvlan',
          parent: parent.link.name,
          macvlan: { mode: mode ?? link.macvlan?.mode ?? 'bridge' },
        }
      : { kind: 'ipvlan', parent: parent.link.name, ...link.ipvlan }
  const own = spec.kind === 'ipvlan' || link.macvlan?.mode === 'passthru'
  const six = (ip: Ip): boolean => typeof ip === 'bigint'
  return [
    { do: 'link.del', netns, name: link.name },
    {
      do: 'link.add',
      netns,
      name: link.name,
      parentNetns: parent.netns,
      spec,
      ...(own ? {} : { address: link.address }),
    },
    ...space.addresses
      .filter((a) => a.link === link.name && !a.dynamic)
      .map(
        ({ address }): Op => ({
          do: 'address.add',
          netns,
          link: link.name,
          address,
          ...(six(address.address) ? { nodad: true } : {}),
        }),
      ),
    { do: 'link.set', netns, name: link.name, up: true },
    ...space.routes
      .filter((r) => r.link === link.name && r.protocol !== 'kernel' && r.type === 'unicast')
      .map(
        ({ to, via }): Op => ({
          do: 'route.add',
          netns,
          to,
          link: link.name,
          ...(via === undefined ? {} : { via }),
        }),
      ),
  ]
}

const SHIM = 'shim0'

/**
 * Host access: a child of the host itself, on the same parent, through which the host reaches the
 * others. Without an address of its own where macvlan allows it; `arp_filter` keeps the neighbours
 * from learning the wrong MAC.
 */
export const shimEdits: Maker = (failure) => {
  const { scene, question, family, name } = failure
  const [a, b] = endsOf(failure)
  if (b === undefined) return []
  return [
    [a, b],
    [b, a],
  ].flatMap(([host, guest]): Edit[] => {
    if (host === undefined || guest === undefined) return []
    return scene.childLinks(guest).flatMap((child): Edit[] => {
      const parent = scene.parentOf(child)
      if (parent?.netns !== host || scene.link(host, SHIM) !== undefined) return []
      const guestIp = guest === question.to ? question.target : addressOn(failure, guest, child)
      const hostIp = scene.addressTowards(host, guestIp ?? 0)?.address.address
      if (guestIp === undefined || hostIp === undefined) return []
      const plan =
        child.ipvlan === undefined
          ? macvlanShim(host, parent.link, guestIp, hostIp)
          : ipvlanShim(failure, host, parent.link, child, guestIp)
      if (plan.length === 0) return []
      const mode = child.macvlan !== undefined && child.macvlan.mode !== 'bridge'
      const title = `host access: a link ${SHIM} of ${name(host)} on ${parent.link.name}`
      const bridge: Op = {
        do: 'link.set',
        netns: guest,
        name: child.name,
        macvlan: { mode: 'bridge' },
      }
      const both = { title: `${title}, ${name(guest)} in mode bridge`, cost: 3 }
      const shim = { title, cost: 2, plan }
      if (!mode || child.macvlan?.mode === 'passthru') return [shim]
      return [shim, { ...both, plan: [bridge, ...plan] }]
    })
  })

  function macvlanShim(host: string, parent: LinkSnapshot, to: Ip, source: Ip): Op[] {
    return [
      {
        do: 'link.add',
        netns: host,
        name: SHIM,
        spec: { kind: 'macvlan', parent: parent.name, macvlan: { mode: 'bridge' } },
      },
      ...(family === 4
        ? [
            {
              do: 'sysctl.set',
              netns: host,
              key: `net.ipv4.conf.${keyOf(SHIM)}.arp_filter`,
              value: '1',
            } as const,
          ]
        : []),
      { do: 'link.set', netns: host, name: SHIM, up: true },
      { do: 'route.add', netns: host, to: hostPrefix(to), link: SHIM, source },
    ]
  }
}

/** ipvlan finds its children by address: its shim must have one, a free one of the subnet. */
function ipvlanShim(
  failure: Failure,
  host: string,
  parent: LinkSnapshot,
  child: LinkSnapshot,
  to: Ip,
): Op[] {
  const free = freeAddress(failure, to)
  if (free === undefined || child.ipvlan === undefined) return []
  const six = typeof free === 'bigint'
  return [
    {
      do: 'link.add',
      netns: host,
      name: SHIM,
      spec: { kind: 'ipvlan', parent: parent.name, ...child.ipvlan },
    },
    {
      do: 'address.add',
      netns: host,
      link: SHIM,
      address: hostPrefix(free),
      ...(six ? { nodad: true } : {}),
    },
    { do: 'link.set', netns: host, name: SHIM, up: true },
    { do: 'route.add', netns: host, to: hostPrefix(to), link: SHIM, source: free },
  ]
}

/** An address nobody holds, near another on its subnet. */
export function freeAddress({ scene }: Failure, near: Ip): Ip | undefined {
  const [owner] = scene.owners(near)
  if (owner === undefined) return undefined
  for (let by = 1; by < 200; by++) {
    const ip = addToIp(near, by)
    if (ip === undefined || !contains(owner.address, ip)) return undefined
    if (scene.isFree(ip)) return ip
  }
  return undefined
}

function addressOn({ scene, family }: Failure, netns: string, link: LinkSnapshot): Ip | undefined {
  const all = scene.addresses(netns, family)
  return (all.find((a) => a.link === link.name) ?? all[0])?.address.address
}
