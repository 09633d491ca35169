/** What the runner finds out, a row at a time, and the kinds of measured files it knows. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Which kernel a row was read off. */
export type Kernel = '6.18' | 'uml-6.1'

/** What a row checks; `after` rows compare the state printed afterwards. */
export type Aspect = 'probe' | 'frame' | 'refused' | 'text' | 'after'

export interface Row {
  readonly file: string
  /** Position in its list, from 0. */
  readonly number: number
  readonly aspect: Aspect
  readonly kernel: Kernel
  readonly verdict: 'agree' | 'differ' | 'not-run'
  readonly what: string
  readonly expected?: string
  readonly got?: string
  /** Why it was not run. */
  readonly why?: string
}

export const TRUTH_FOLDER = process.env['LANYARD_TRUTH'] ?? findFolder()

/** The folder of this file, or of the bundle's source. */
function findFolder(): string {
  const here = dirname(fileURLToPath(import.meta.url))
  return readdirSync(here).includes('errors.json') ? here : join(process.cwd(), 'test/truth')
}

export interface ProbeRow {
  readonly from: string
  readonly to: string
  readonly proto: 'icmp4' | 'icmp6'
  readonly kernel: Kernel
  readonly ok: boolean
  readonly ttl?: number
  readonly ttls?: readonly number[]
  readonly sent?: number
  readonly recv?: number
  readonly to_name?: string
  readonly msg?: readonly string[]
  readonly pre?: readonly string[]
  readonly pre_errors?: readonly { cmd: string; rc: number; err: string }[]
  readonly warm?: boolean
  readonly ping_args?: string
}

export interface Outcome {
  readonly cmd: string
  readonly rc: number
  readonly err?: string
  readonly out?: string
}

export interface ProbeFile {
  readonly name: string
  readonly build: readonly string[]
  readonly probes: readonly ProbeRow[]
  readonly post?: Readonly<Partial<Record<Kernel, readonly Outcome[]>>>
  readonly build_errors?: Readonly<Partial<Record<Kernel, readonly Outcome[]>>>
}

export interface FrameTest {
  readonly inject: {
    readonly dev: string
    readonly src: string
    readonly dst: string
    readonly tag?: number
    readonly as?: string
    readonly note?: string
    readonly dst_name?: string
  }
  /** Or what the sender was told at once: then nobody got anything. */
  readonly delivered:
    | readonly { readonly dev: string; readonly type: string }[]
    | { readonly error: string }
  readonly pre?: readonly string[]
}

export interface FrameFile {
  readonly name: string
  readonly note: string
  readonly kernels: readonly Kernel[]
  readonly tests: readonly FrameTest[]
  readonly setup?: readonly string[]
  readonly bridge_opts?: string
  readonly topology?: string
  readonly fdb_after?: readonly string[]
  readonly macs?: Readonly<Record<string, { readonly mac: string; readonly mode?: string }>>
  readonly extra?: readonly string[]
}

export interface ErrorRow {
  readonly group: string
  readonly title: string
  readonly kernel: Kernel
  readonly setup: readonly string[]
  readonly cmd: string
  readonly rc: number
  readonly errno: string | null
  readonly text: string
  readonly after?: { readonly cmd: string; readonly out: string }
}

export type FileKind = 'probes' | 'frames' | 'errors' | 'messages' | 'transcript' | 'timing' | 'misc'

export interface TruthFile {
  readonly name: string
  readonly kind: FileKind
  readonly text: string
  readonly data: unknown
}

/** All files, or those whose names contain one of the words given. */
export function readTruth(names: readonly string[]): TruthFile[] {
  return readdirSync(TRUTH_FOLDER)
    .filter((f) => f.endsWith('.json') && f !== 'index.json')
    .map((f) => f.slice(0, -5))
    .filter((f) => names.length === 0 || names.some((n) => f.includes(n.replace(/\.json$/, ''))))
    .sort()
    .map((name) => {
      const text = readFileSync(join(TRUTH_FOLDER, `${name}.json`), 'utf8')
      return { name, kind: kindOf(name), text, data: JSON.parse(text) as unknown }
    })
}

function kindOf(name: string): FileKind {
  if (/^(frames-|bcq-|taps-)/.test(name)) return 'frames'
  if (name === 'errors') return 'errors'
  if (name === 'ping-messages') return 'messages'
  if (name === 'seed-transcripts') return 'transcript'
  if (name === 'arp-timing') return 'timing'
  return name.startsWith('misc-') ? 'misc' : 'probes'
}
