/**
 * What a network asks of a parent that is not ours: an MTU of so many bytes at least, promiscuous
 * mode. What it was before is written down first, so that it is put back when the last network that
 * asked goes.
 *
 * `was/HOST/LINK` in the store; HOST is `-` where the store is one host's own.
 */
import { LanyardError } from '../errors.ts'
import type { Op, Plan } from '../fabric/plan.ts'
import type { LinkSnapshot } from '../fabric/snapshot.ts'
import { applyGently, type Context } from './context.ts'
import { applyGuarded } from './guard.ts'
import { joinedNetworks, type NetworkRecord, write } from './records.ts'
import type { Network, NetworkSpec } from './types.ts'

interface Was {
  readonly mtu: number
  readonly promisc: boolean
}

const GONE = ['ENODEV'] as const

const wasKey = (context: Context, link: string): string => `was/${context.self?.id ?? '-'}/${link}`

type Wish = Pick<NetworkSpec, 'parentMtu' | 'parentPromisc'>

const wishes = ({ parentMtu, parentPromisc }: Wish): boolean =>
  parentMtu !== undefined || parentPromisc === true

/**
 * What makes a parent as a network wants it; a VLAN's own parent first, since a VLAN has at most
 * the MTU of what it is on. Empty when it is so already.
 *
 * @param chain the parent, what it sits on before it
 */
export function planSettings(wish: Wish, chain: readonly LinkSnapshot[], host: string): Plan {
  const { parentMtu: mtu, parentPromisc } = wish
  const ops: Op[] = []
  for (const { name, ...link } of chain) {
    if (mtu !== undefined && link.mtu < mtu) ops.push({ do: 'link.set', netns: host, name, mtu })
  }
  const parent = chain.at(-1)
  if (parentPromisc === true && parent !== undefined && !parent.promisc)
    ops.push({ do: 'link.set', netns: host, name: parent.name, promisc: true })
  return ops
}

/** The parent of a network, and before it what it sits on where it is a VLAN. */
export function chainOf(links: readonly LinkSnapshot[], parentLink: string): LinkSnapshot[] {
  const parent = links.find((link) => link.name === parentLink)
  if (parent === undefined) return []
  const base =
    parent.vlan === undefined ? undefined : links.find((one) => one.index === parent.parent?.index)
  return base === undefined ? [parent] : [base, parent]
}

/**
 * Writes down what links were before a plan changes them; those that are known stay.
 *
 * @returns what to forget again when the plan is taken back
 */
export async function rememberWas(context: Context, plan: Plan): Promise<readonly string[]> {
  const { links } = await context.view.snapshot()
  const fresh: string[] = []
  for (const op of plan) {
    if (op.do !== 'link.set' || (op.mtu === undefined && op.promisc === undefined)) continue
    const link = links.find((one) => one.name === op.name)
    if (link === undefined) continue
    const key = wasKey(context, link.name)
    const was: Was = { mtu: link.mtu, promisc: link.promisc }
    const { done } = await context.store.transact({
      when: [{ key, is: 'absent' }],
      then: [{ put: key, value: JSON.stringify(was) }],
    })
    if (done) fresh.push(key)
  }
  return fresh
}

/** What of a parent is not as a network wants it, in words, and what makes it so; if anything. */
export function inspectSettings(
  network: NetworkRecord,
  links: readonly LinkSnapshot[],
  host: string,
): { readonly what: string; readonly plan: Plan } | undefined {
  if (!wishes(network)) return undefined
  const plan = planSettings(network, chainOf(links, network.parentLink), host)
  if (plan.length === 0) return undefined
  const words = plan.flatMap((op) => {
    if (op.do !== 'link.set') return []
    const mtu = links.find((one) => one.name === op.name)?.mtu
    return op.mtu === undefined
      ? [`${op.name} is not promiscuous`]
      : [`${op.name} has MTU ${mtu}, not ${op.mtu}`]
  })
  return { what: `parent ${words.join(', ')}`, plan }
}

/** Makes a parent as a network wants it: guarded, and remembering what it was. */
export async function applySettings(
  context: Context,
  network: NetworkRecord,
  plan: Plan,
): Promise<void> {
  const fresh = await rememberWas(context, plan)
  try {
    await applyGuarded(context, network, plan)
  } catch (error) {
    if (error instanceof LanyardError && error.code === 'parent-cut-off')
      await write(context.store, ...fresh.map((key) => ({ delete: key })))
    throw error
  }
}

/**
 * A network goes: its parent gets back what nobody wants any more. What somebody else has changed
 * meanwhile is left alone.
 *
 * A crash in the middle leaves the note of what it was; the removal is finished by reconcile.
 */
export async function restoreSettings(context: Context, network: Network): Promise<void> {
  if (!wishes(network)) return
  const { store, view, host, self } = context
  const { links } = await view.snapshot()
  const others = (await joinedNetworks(store, self?.id)).filter(
    (one) => one.name !== network.name && one.phase === 'ready' && wishes(one),
  )
  for (const link of chainOf(links, network.parentLink).toReversed()) {
    const key = wasKey(context, link.name)
    const entry = await store.get(key)
    if (entry === undefined) continue
    const was = JSON.parse(entry.value) as Was
    const stay = others.filter((one) =>
      chainOf(links, one.parentLink).some(({ name }) => name === link.name),
    )
    const mtu = Math.max(was.mtu, ...stay.map((one) => one.parentMtu ?? 0))
    const promisc = was.promisc || stay.some((one) => one.parentPromisc === true)
    const op: Op = {
      do: 'link.set',
      netns: host,
      name: link.name,
      ...(link.mtu === network.parentMtu && link.mtu !== mtu ? { mtu } : {}),
      ...(network.parentPromisc === true && link.promisc && !promisc ? { promisc } : {}),
    }
    if (op.mtu !== undefined || op.promisc !== undefined) await applyGently(context, [op], GONE)
    if (stay.length === 0) await write(store, { delete: key })
  }
  view.forget()
}
