/**
 * Draws a random world: hosts on a switch with macvlan children, and then a few changes, some of
 * which a kernel refuses. The same seed draws the same plan. MACs and addresses are set by hand so
 * that two fabrics doing the plan can be compared link by link.
 */
import type { LinkAdd, LinkSet, MacvlanMode, Op, PortOptions } from '../../src/fabric/plan.ts'
import { Random } from '../../src/sim/random.ts'
import type { KernelTraits } from '../../src/fabric/traits.ts'
import { cableOps, childOps, switchOps } from '../lan.ts'
import { addNetns, addresses, chance, type Draft, mac, newDraft, pick, someMac } from './draft.ts'
import { drawIpvlan } from './draw-ipvlan.ts'
import { drawFiltered, drawRouted } from './draw-routed.ts'
import { drawTrunks } from './draw-trunks.ts'

export interface DrawnWorld {
  readonly seed: number
  readonly plan: readonly Op[]
  /** Every namespace the plan makes; the first is the switch. */
  readonly netns: readonly string[]
}

const MODES: readonly MacvlanMode[] = ['bridge', 'bridge', 'vepa', 'private', 'passthru', 'source']

/**
 * @param prefix of every namespace name, so that many worlds can stand side by side on one kernel
 * @param traits of the judge: only what it has is drawn
 * @param flavour in place of the one the seed draws
 */
export function drawWorld(
  seed: number,
  prefix: string,
  traits: KernelTraits,
  flavour?: Flavour,
): DrawnWorld {
  const draft = newDraft(new Random(seed), prefix)
  // Drawn beside the rest, so that a seed's LAN is the same on every judge.
  const drawn = pick({ random: new Random(seed ^ 0x1a2b3c) }, flavoursOf(traits))
  DRAW[flavour ?? drawn](draft)
  return { seed, plan: draft.plan, netns: draft.netns }
}

/** What a world is made of. */
export type Flavour = 'lan' | 'routed' | 'filters' | 'trunks' | 'ipvlan'

const DRAW: Readonly<Record<Flavour, (draft: Draft) => void>> = {
  lan: drawLan,
  routed: drawRouted,
  filters: drawFiltered,
  trunks: drawTrunks,
  ipvlan: drawIpvlan,
}

export const isFlavour = (word: string): word is Flavour => Object.hasOwn(DRAW, word)

function flavoursOf(traits: KernelTraits): readonly Flavour[] {
  const has = (kind: string): boolean => !traits.missingKinds.includes(kind)
  const flavours: Flavour[] = ['lan', 'lan', 'lan', 'routed', 'filters']
  if (has('vlan') && traits.bridgeVlanFiltering) flavours.push('trunks', 'trunks', 'trunks')
  if (has('ipvlan') && has('dummy')) flavours.push('ipvlan', 'ipvlan', 'ipvlan')
  return flavours
}

/** Hosts on a switch, with macvlan children of every mode, and changes to what stands. */
function drawLan(draft: Draft): void {
  drawSwitch(draft)
  const hosts = 1 + draft.random.below(3)
  for (let i = 0; i < hosts; i++) drawHost(draft)
  for (const host of draft.hosts) {
    const children = draft.random.below(4)
    for (let i = 0; i < children; i++) drawChild(draft, host.netns)
  }
  const changes = draft.random.below(7)
  for (let i = 0; i < changes; i++) drawChange(draft)
}

function drawSwitch(draft: Draft): void {
  draft.plan.push(...switchOps(addNetns(draft, 'sw'), mac(draft)))
}

function drawHost(draft: Draft): void {
  const sw = draft.netns[0] as string
  const number = draft.hosts.length + 1
  const netns = addNetns(draft, `h${number}`)
  const port = `p${number}`
  draft.plan.push(...cableOps({ sw, port, portMac: mac(draft), netns, mac: mac(draft) }))
  const options = drawPort(draft)
  if (options !== undefined)
    draft.plan.push({ do: 'link.set', netns: sw, name: port, port: options })
  if (chance(draft, 0.1))
    draft.plan.push({ do: 'link.set', netns, name: 'eth0', mtu: pick(draft, [1400, 2000, 9000]) })
  addresses(draft, netns, 'eth0')
  if (chance(draft, 0.95)) draft.plan.push({ do: 'link.set', netns, name: 'eth0', up: true })
  draft.hosts.push({ netns, port })
}

function drawPort(draft: Draft): PortOptions | undefined {
  const roll = draft.random.next()
  if (roll < 0.35) return { hairpin: true }
  if (roll < 0.45) return { isolated: true }
  if (draft.ip6) return undefined
  if (roll < 0.5) return { learning: false }
  if (roll < 0.55) return { flood: false }
  if (roll < 0.6) return { broadcastFlood: false }
  return undefined
}

function drawChild(draft: Draft, host: string): void {
  const netns = addNetns(draft, `c${draft.children.length + 1}`)
  const mode = pick(draft, MODES)
  const sibling = draft.children.find((c) => c.host === host && c.netns === host)
  draft.plan.push(
    ...childOps({
      netns,
      parentNetns: host,
      mac: mac(draft),
      kind: chance(draft, 0.05) ? 'macvtap' : 'macvlan',
      parent: sibling !== undefined && chance(draft, 0.2) ? sibling.name : 'eth0',
      macvlan: {
        mode,
        ...(mode === 'passthru' && chance(draft, 0.3) ? { nopromisc: true } : {}),
        ...(mode === 'source' && chance(draft, 0.7)
          ? { sources: { change: 'set' as const, macs: [someMac(draft), someMac(draft)] } }
          : {}),
      },
      ...(chance(draft, 0.1) ? { mtu: pick(draft, [1280, 1400, 1501]) } : {}),
    }),
  )
  addresses(draft, netns, 'm0')
  if (chance(draft, 0.95)) draft.plan.push({ do: 'link.set', netns, name: 'm0', up: true })
  draft.children.push({ netns, host, name: 'm0' })
}

/** One change to what stands; the kernel refuses some of them. */
function drawChange(draft: Draft): void {
  const { plan } = draft
  const sw = draft.netns[0] as string
  const host = pick(draft, draft.hosts)
  const child = draft.children.length > 0 ? pick(draft, draft.children) : undefined
  const target =
    child !== undefined && chance(draft, 0.6) ? child : { netns: host.netns, name: 'eth0' }
  const set = (change: Omit<LinkSet, 'do' | 'netns' | 'name'>): void => {
    plan.push({ do: 'link.set', netns: target.netns, name: target.name, ...change })
  }
  const add = (name: string, spec: LinkAdd['spec']): void => {
    plan.push({ do: 'link.add', netns: host.netns, name, address: mac(draft), spec })
  }
  const changes: (() => void)[] = [
    () => set({ up: false }),
    () => {
      set({ up: false })
      set({ up: true })
    },
    () => set({ mtu: pick(draft, [67, 68, 1280, 1300, 1400, 1500, 1501, 9000, 70000]) }),
    () => set({ address: someMac(draft) }),
    () => set({ promisc: true }),
    () => set({ allmulticast: true }),
    () => set({ macvlan: { mode: pick(draft, MODES) } }),
    () => set({ macvlan: { sources: { change: 'add', macs: [someMac(draft)] } } }),
    () => set({ newName: pick(draft, ['lo', 'renamed0', 'eth0']) }),
    () => plan.push({ do: 'link.del', netns: target.netns, name: target.name }),
    () => plan.push({ do: 'link.set', netns: sw, name: host.port, up: chance(draft, 0.5) }),
    () => plan.push({ do: 'link.set', netns: sw, name: host.port, master: null }),
    () =>
      plan.push({
        do: 'link.set',
        netns: sw,
        name: host.port,
        port: { hairpin: chance(draft, 0.7) },
      }),
    () => plan.push({ do: 'link.set', netns: host.netns, name: 'eth0', port: { hairpin: true } }),
    () =>
      add('m9', {
        kind: 'macvlan',
        parent: pick(draft, ['lo', 'eth0', 'nope']),
        macvlan: { mode: pick(draft, MODES) },
      }),
    () => add('br9', { kind: 'bridge' }),
    () => plan.push({ do: 'link.set', netns: host.netns, name: 'eth0', master: 'br9' }),
    () => addresses(draft, target.netns, target.name, pick(draft, [1, 2, 11, 12])),
    () =>
      plan.push({
        do: 'route.add',
        netns: target.netns,
        to: { address: 0, length: 0 },
        via: 0x0a090001,
      }),
    () =>
      plan.push({ do: 'link.set', netns: target.netns, name: target.name, newNetns: host.netns }),
    () =>
      plan.push({
        do: 'sysctl.set',
        netns: target.netns,
        key: 'net.ipv4.conf.all.arp_ignore',
        value: '1',
      }),
  ]
  pick(draft, changes)()
}
