/**
 * A case of a live host in a file: the snapshot, the question, what was said and what a real probe
 * met. Whoever gets it can ask again without that host.
 */
import type { ProbeResult } from '../fabric/fabric.ts'
import type { Snapshot } from '../fabric/snapshot.ts'
import type { Assume } from './beyond.ts'
import type { Question } from './question.ts'

const FORMAT = 'lanyard-replay'
const VERSION = 1

export interface Replay {
  /** Version of the program that wrote it. */
  readonly lanyard: string
  readonly at: string
  readonly question: Question
  readonly assume: Assume
  readonly answered: boolean
  readonly snapshot: Snapshot
  /** Namespaces as people call them. */
  readonly names: Readonly<Record<string, string>>
  /** Whose namespaces are. */
  readonly owners: Readonly<Record<string, string>>
  readonly listening: boolean
  /** What a real probe met; undefined: none was sent. */
  readonly real: ProbeResult | undefined
  /** The headline then. */
  readonly said: string
}

/** IPv6 addresses are bigints, which JSON has not. */
const BIG = '$ip6'

export function encodeReplay(replay: Replay): string {
  const body = { format: FORMAT, version: VERSION, ...replay }
  return `${JSON.stringify(body, (_, value: unknown) =>
    typeof value === 'bigint' ? { [BIG]: value.toString(16) } : value,
  )}\n`
}

/** @returns why not, when it is no such file */
export function decodeReplay(text: string): Replay | string {
  let found: unknown
  try {
    found = JSON.parse(text, (_, value: unknown) => revived(value))
  } catch {
    return 'it is no JSON'
  }
  if (typeof found !== 'object' || found === null)
    return 'it is no case of "lanyard explain --live"'
  const { format, version, ...rest } = found as { format?: unknown; version?: unknown }
  if (format !== FORMAT) return 'it is no case of "lanyard explain --live"'
  if (version !== VERSION)
    return `it is of version ${String(version)}, this program reads ${VERSION}`
  const replay = rest as Partial<Replay>
  const whole =
    Array.isArray(replay.snapshot?.netns) &&
    typeof replay.question?.from === 'string' &&
    typeof replay.assume === 'object' &&
    typeof replay.names === 'object'
  return whole ? (replay as Replay) : 'a part of it is missing'
}

function revived(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !(BIG in value)) return value
  const hex = (value as { readonly [BIG]: unknown })[BIG]
  return typeof hex === 'string' && /^[0-9a-f]{1,32}$/.test(hex) ? BigInt(`0x${hex}`) : value
}
