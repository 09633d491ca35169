/** Spares that go: given back, and to whoever asks this host for an address that it keeps so. */
import { formatIp, type Ip, parseIp } from '../addr/ip.ts'
import { LanyardError } from '../errors.ts'
import type { Context } from './context.ts'
import type { Spare, Spares } from './spares.ts'

/** Whoever takes spares or gives some back does it alone. */
export const SPARES_LOCK = '!spares'

/** @returns how many went */
export async function giveBack(
  { addresses }: Context,
  spares: Spares,
  which: (spare: Spare) => boolean,
): Promise<number> {
  const going = spares.letGo(which)
  for (const spare of going) {
    const { segment, network: name, address, used = false } = spare
    await addresses.releaseSpare({ segment, name }, parseIp(address), used)
    spares.drop(spare)
  }
  return going.length
}

/** Of a network that goes. */
export async function giveBackOf(context: Context, network: string): Promise<void> {
  const { spares, locks } = context
  if (spares === undefined) return
  await locks.run({ alone: [SPARES_LOCK] }, () =>
    giveBack(context, spares, (spare) => spare.network === network),
  )
}

/** Spares of this host that somebody asks for by number are his. */
export async function yieldSpares(
  context: Context,
  { segment }: { readonly segment: string },
  asked: readonly Ip[] | undefined,
): Promise<void> {
  const { spares, locks } = context
  const texts = (asked ?? []).map(formatIp)
  const isAsked = (one: Spare): boolean => one.segment === segment && texts.includes(one.address)
  if (spares === undefined || !spares.list.some(isAsked)) return
  await locks.run({ alone: [SPARES_LOCK] }, () => giveBack(context, spares, isAsked))
}

/**
 * Does what needs a free address; where there is none left, with the spares of this host given back
 * first.
 *
 * @throws LanyardError `pool-exhausted`, which says who has how many spares
 */
export async function orReclaim<T>(
  context: Context,
  { segment }: { readonly segment: string },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!isExhausted(error)) throw error
    const { spares, locks } = context
    if (spares === undefined) throw await withSpares(context, segment, error)
    const mine = (spare: Spare): boolean => spare.segment === segment
    const given = await locks.run({ alone: [SPARES_LOCK] }, () => giveBack(context, spares, mine))
    if (given === 0) throw await withSpares(context, segment, error)
  }
  try {
    return await work()
  } catch (error) {
    throw isExhausted(error) ? await withSpares(context, segment, error) : error
  }
}

interface Exhausted {
  readonly network: string
  readonly pools: string
  readonly size: string
}

const isExhausted = (error: unknown): error is LanyardError =>
  error instanceof LanyardError && error.code === 'pool-exhausted'

async function withSpares(
  { addresses }: Context,
  segment: string,
  error: LanyardError,
): Promise<LanyardError> {
  const counts = new Map<string, number>()
  for (const { kind, holder } of await addresses.leases(segment))
    if (kind === 'spare') counts.set(holder, (counts.get(holder) ?? 0) + 1)
  if (counts.size === 0) return error
  const spares = [...counts].map(([host, count]) => `${count} of host ${host}`).join(', ')
  return new LanyardError('pool-exhausted', { ...(error.detail as Exhausted), spares })
}
