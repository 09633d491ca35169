/** What a command line asks for once it is read: a plan to do, something to show, or more. */
import type { LinkSnapshot, NetnsSnapshot, Snapshot } from '../fabric/snapshot.ts'
import type { Op, Plan } from '../fabric/plan.ts'
import { LanyardError } from '../errors.ts'
import type { OpOutcome } from '../fabric/fabric.ts'
import { ToolExit } from './arguments.ts'
import { done, failed, type Output, type Session } from './session.ts'
import { strerror } from '../errno.ts'

/** A read command line; pure data but for the two closures, which only read. */
export type Request =
  | { readonly kind: 'plan'; readonly plan: Plan }
  | {
      readonly kind: 'show'
      readonly netns: string
      /** Shows what links counted. */
      readonly counters?: boolean
      readonly show: (view: View) => string
    }
  | { readonly kind: 'run'; readonly run: (session: Session) => Promise<Output> }

/** What a printer sees: one namespace, and the others its links point into. */
export interface View {
  readonly netns: NetnsSnapshot
  readonly all: Snapshot
}

export const plan = (...ops: Op[]): Request => ({ kind: 'plan', plan: ops })

/** How a tool tells what the kernel refused. */
export interface Manner {
  /** Exit code of a refused netlink request: 2 for ip, 255 for bridge. */
  readonly refused: number
  /** Exit code of "Cannot find device": 1 for ip, 255 for bridge. */
  readonly missing: number
  readonly cannotFind: (name: string, op: Op) => string
}

/** Does a request; the outcome is printed as the tool prints it. */
export async function perform(session: Session, request: Request, manner: Manner): Promise<Output> {
  if (request.kind === 'run') return request.run(session)
  if (request.kind === 'show') {
    const view = await takeView(session, request.netns, request.counters)
    return view === undefined ? noSuchNetns(request.netns) : done(request.show(view))
  }
  for (const op of request.plan) {
    const outcome = await applyOne(session, op)
    if (!outcome.ok) return refusal(session, outcome, manner)
  }
  return done()
}

/** One op to its outcome: also what a fabric throws becomes one. */
export async function applyOne(session: Session, op: Op): Promise<OpOutcome> {
  try {
    const outcomes = await session.fabric.apply([op], { keepGoing: true })
    return outcomes[0] ?? { ok: true }
  } catch (error) {
    if (!(error instanceof LanyardError)) throw error
    const errno = error.errno
    if (errno === undefined) throw error
    return { ok: false, op, index: 0, errno, extack: undefined }
  }
}

/** A view of a namespace; undefined when there is no such namespace. */
export async function takeView(
  session: Session,
  netns: string,
  counters = false,
): Promise<View | undefined> {
  let all = await snapshotOf(session, [netns], counters)
  let found = all?.netns.find((n) => n.name === netns)
  // Only a link whose other end is elsewhere makes the other namespaces worth reading.
  if (found?.links.some((l) => l.parent !== undefined && l.parent.netns !== netns) === true) {
    all = await snapshotOf(session, session.reach?.(), counters)
    found = all?.netns.find((n) => n.name === netns)
  }
  return all === undefined || found === undefined ? undefined : { netns: found, all }
}

/** A snapshot; undefined when a namespace named does not exist. */
export async function snapshotOf(
  session: Session,
  netns: readonly string[] | undefined,
  counters = false,
): Promise<Snapshot | undefined> {
  try {
    const options = counters ? { counters } : {}
    return await session.fabric.snapshot(netns === undefined ? options : { ...options, netns })
  } catch (error) {
    if (error instanceof LanyardError && error.code === 'netns-missing') return undefined
    throw error
  }
}

export function noSuchNetns(netns: string): Output {
  return failed(255, `Cannot open network namespace "${netns}": No such file or directory\n`)
}

type Refused = Extract<OpOutcome, { ok: false }>

async function refusal(session: Session, outcome: Refused, manner: Manner): Promise<Output> {
  const { op, errno } = outcome
  if (op.do === 'netns.add') {
    const text = `Cannot create namespace file "/run/netns/${op.netns}": ${strerror(errno)}\n`
    return failed(1, text)
  }
  if (op.do === 'netns.del') {
    const text = `Cannot remove namespace file "/run/netns/${op.netns}": ${strerror(errno)}\n`
    return failed(1, text)
  }
  if ((errno === 'ENODEV' || errno === 'ENOENT') && outcome.extack === undefined) {
    const missing = await missingName(session, op, manner)
    if (missing !== undefined) return missing
  }
  return failed(manner.refused, answers(errno, outcome.extack))
}

/** `RTNETLINK answers: …`, or the kernel's own text (`nl_dump_ext_ack` adds the full stop). */
export function answers(errno: string, extack: string | undefined): string {
  if (extack === undefined || extack === '') return `RTNETLINK answers: ${strerror(errno)}\n`
  return `Error: ${extack}${/[.\n]$/.test(extack) ? '' : '.'}\n`
}

/** The tools turn names into indexes before they ask: which name of this op does not exist? */
async function missingName(session: Session, op: Op, manner: Manner): Promise<Output | undefined> {
  const home = op.do === 'link.add' ? (op.parentNetns ?? op.netns) : op.netns
  const names = async (netns: string) =>
    (await snapshotOf(session, [netns]))?.netns.find((n) => n.name === netns)?.links
  const links = await names(home)
  if (links === undefined) return noSuchNetns(home)
  const other = op.do === 'link.set' ? op.newNetns : op.do === 'link.add' ? op.netns : undefined
  if (other !== undefined && (await names(other)) === undefined) return badNetns(other)
  const has = (name: string) => links.some((l: LinkSnapshot) => l.name === name)
  const device = deviceOf(op)
  if (device !== undefined && !has(device)) {
    return failed(manner.missing, manner.cannotFind(device, op))
  }
  const master = op.do === 'link.add' || op.do === 'link.set' ? op.master : undefined
  if (typeof master === 'string' && !has(master)) {
    return failed(255, `Error: argument "${master}" is wrong: Device does not exist\n\n`)
  }
  return undefined
}

function badNetns(name: string): Output {
  return failed(255, `Error: argument "${name}" is wrong: Invalid "netns" value\n\n`)
}

function deviceOf(op: Op): string | undefined {
  if (op.do === 'link.add') return 'parent' in op.spec ? op.spec.parent : undefined
  if ('link' in op) return op.link
  if (op.do === 'link.set' || op.do === 'link.del') return op.name
  return op.do === 'fdb.flush' ? op.bridge : undefined
}

/** Runs a tool's parser; what it throws is what the tool prints. */
export async function guarded(run: () => Promise<Output> | Output): Promise<Output> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof ToolExit) return error.output
    throw error
  }
}
