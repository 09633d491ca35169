/** `impair:` of a nic or a port: what befalls the frames that leave there. */
import { type Netem, parseNetem, tidy } from '../fabric/netem.ts'
import type { Op } from '../fabric/plan.ts'
import type { LabSource, Path } from './source.ts'

type ImpairFile = string | { readonly [key: string]: string | number | undefined }

/** Cut in this direction: the other end has carrier, and hears nothing. */
const DOWN: Netem = { lossPercent: 100 }

/**
 * Reads an impairment; undefined for none. A mistake is reported at its key.
 *
 * @param value `delay 100ms 10ms loss 5%` as tc(8) takes it, `down`, `none`, or a mapping
 */
export function resolveImpair(
  source: LabSource,
  path: Path,
  value: ImpairFile | undefined,
): Netem | undefined {
  if (value === undefined || value === 'none') return undefined
  if (value === 'down') return DOWN
  const parsed = parseNetem(typeof value === 'string' ? value.trim().split(/\s+/) : wordsOf(value))
  if (!parsed.ok) {
    const say = parsed.sentence
    const bare = typeof value === 'string' ? `${say}, down or none` : say
    source.problem(path, bare)
    return undefined
  }
  const netem = tidy(parsed.netem)
  return Object.keys(netem).length === 0 ? undefined : netem
}

/** The words of a mapping; a jitter stands behind its delay. */
function wordsOf({ jitter, ...rest }: { readonly [key: string]: string | number | undefined }) {
  const words = Object.entries(rest).flatMap(([key, value]) =>
    value === undefined ? [] : [key, `${value}`, ...(key === 'delay' ? after(jitter) : [])],
  )
  return rest.delay === undefined && jitter !== undefined
    ? ['delay', '0ms', `${jitter}`, ...words]
    : words
}

const after = (jitter: string | number | undefined) => (jitter === undefined ? [] : [`${jitter}`])

/** Brings the impairment of a link from what it was to what it shall be. */
export function impairOps(
  before: Netem | undefined,
  after: Netem | undefined,
  netns: string,
  link: string,
): Op[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return []
  const gone: Op[] = before === undefined ? [] : [{ do: 'qdisc.del', netns, link }]
  if (after === undefined) return gone
  // A change leaves a rate that it does not name: then it is made anew, and what waits is lost.
  const anew = before?.rateBits !== undefined && after.rateBits === undefined
  if (before !== undefined && !anew) {
    return [{ do: 'qdisc.change', netns, link, netem: after }]
  }
  return [...gone, { do: 'qdisc.add', netns, link, netem: after }]
}
