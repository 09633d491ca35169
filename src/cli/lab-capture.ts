/**
 * `lanyard lab capture`: frames of links to a pcapng file. A lab on this kernel is listened to
 * until Ctrl-C. A simulated one has no time of its own: its journal is played again, and what its
 * frames were is written, from its beginning or from a point on.
 */
import { openSync } from 'node:fs'
import { LanyardError } from '../errors.ts'
import type { Closer, Fabric } from '../fabric/fabric.ts'
import { commandsOf, isSave, type JournalRecord } from '../lab/journal.ts'
import { playLive } from '../lab/live.ts'
import { didYouMean, listed } from '../lab/text.ts'
import { EXIT } from './failure.ts'
import { chooseLab, readJournal } from './lab-live.ts'
import { type LabInfo, LabState } from './lab-state.ts'
import { pcapFile } from './pcap.ts'
import { onStop } from './stop.ts'
import { writing } from './files.ts'

export interface CaptureOptions {
  readonly lab?: string
  readonly write: string
  readonly last?: string
}

/** NODE:LINK, or NODE/NETNS:LINK for a namespace made on a node. */
interface Wanted {
  readonly netns: string
  readonly link: string
}

/** @returns the exit status */
export async function labCapture(
  links: readonly string[],
  options: CaptureOptions,
): Promise<number> {
  const state = new LabState()
  const info = state.info(chooseLab(state, options.lab))
  const wanted = links.map(readLink)
  if (info.fabric === 'uml') {
    const { lanyardInGuest } = await import('./guest-run.ts')
    const words = ['lab', 'capture', ...links, '-w', options.write, '--lab', info.lab]
    return await lanyardInGuest(info, words)
  }
  if (info.fabric === 'kernel') await captureKernel(info, wanted, options)
  else await captureSim(state, info, wanted, options)
  return EXIT.ok
}

async function captureSim(
  state: LabState,
  info: LabInfo,
  wanted: readonly Wanted[],
  options: CaptureOptions,
): Promise<void> {
  const lock = await state.lock(info.lab)
  let records: readonly JournalRecord[]
  try {
    records = readJournal(state, info.lab).records
  } finally {
    lock.release()
  }
  const from = firstRecord(info, records, options.last)
  let tap: Tap | undefined
  await playLive(state.base(info.lab), records, async (world, done) => {
    if (done < from) return
    tap ??= new Tap(world, openFile(options.write))
    await tap.look(wanted)
  })
  const missing = tap?.missing(wanted) ?? []
  await tap?.end()
  if (missing.length > 0) throw noLink(info, missing, tap?.seen ?? [])
  report(options, tap?.frames ?? 0)
}

function readLink(text: string): Wanted {
  const at = text.lastIndexOf(':')
  if (at > 0 && at < text.length - 1) return { netns: text.slice(0, at), link: text.slice(at + 1) }
  const sentence = `"${text}" is no link: write NODE:LINK`
  throw new LanyardError('usage', { sentence, help: 'lanyard lab capture --help' })
}

function openFile(path: string): number {
  if (path === '-') return 1
  return writing(path, () => openSync(path, 'w'))
}

/** The record from which on frames are wanted. */
function firstRecord(
  info: LabInfo,
  records: readonly JournalRecord[],
  last: string | undefined,
): number {
  if (last === undefined) return 0
  const at = records.findLastIndex((r) => isSave(r) && r.save === last)
  if (at >= 0) return at + 1
  const count = commandsOf(records).length
  const commands = records.flatMap((r, i) => (isSave(r) ? [] : [i]))
  if (/^\d+$/.test(last) && Number(last) <= count) {
    return last === '0' ? records.length : (commands[count - Number(last)] as number)
  }
  const sentence =
    `lab ${info.lab} has no save point "${last}", and --last takes a number of commands ` +
    `up to ${count}`
  throw new LanyardError('usage', { sentence, help: `lanyard lab status ${info.lab}` })
}

function noLink(info: LabInfo, missing: readonly Wanted[], seen: readonly string[]): LanyardError {
  const name = missing.map((w) => `${w.netns}:${w.link}`)[0] ?? ''
  const sentence =
    `there is no link ${name}${didYouMean(name, seen)} in lab ${info.lab}: ` +
    `there is ${listed(seen)}`
  return new LanyardError('usage', { sentence, help: 'lanyard lab capture --help' })
}

function report({ write }: CaptureOptions, frames: number): void {
  if (write === '-') return
  process.stdout.write(`${frames} ${frames === 1 ? 'frame' : 'frames'} in ${write}\n`)
}

/** Ports on links, opened as the links appear. */
class Tap {
  readonly #fabric: Fabric
  readonly #sink: ReturnType<typeof pcapFile>
  readonly #open = new Map<string, Closer>()
  readonly #prefix: string
  frames = 0
  #seen: string[] = []

  constructor(fabric: Fabric, out: number, prefix = '', onLeft?: () => void) {
    this.#fabric = fabric
    this.#sink = pcapFile(out, fabric, onLeft)
    this.#prefix = prefix
  }

  get seen(): readonly string[] {
    return this.#seen
  }

  /** Opens what is wanted and there; all there is when nothing is named. */
  async look(wanted: readonly Wanted[], names?: readonly string[]): Promise<void> {
    const { netns } = await this.#fabric.snapshot(names === undefined ? {} : { netns: names })
    const there = netns
      .filter((n) => n.name.startsWith(this.#prefix) && n.name !== '')
      .flatMap((n) =>
        n.links.map((l) => ({ netns: n.name.slice(this.#prefix.length), link: l.name })),
      )
    this.#seen = there.map((l) => `${l.netns}:${l.link}`)
    for (const { netns: node, link } of there) {
      const key = `${node}:${link}`
      const asked = wanted.length === 0 || wanted.some((w) => w.netns === node && w.link === link)
      if (!asked || this.#open.has(key)) continue
      this.#sink.link(node, link)
      const port = await this.#fabric.openPort(`${this.#prefix}${node}`, link, (frame) => {
        this.frames++
        this.#sink.frame(node, link, frame)
      })
      this.#open.set(key, port)
    }
  }

  missing(wanted: readonly Wanted[]): Wanted[] {
    return wanted.filter((w) => !this.#open.has(`${w.netns}:${w.link}`))
  }

  async end(): Promise<void> {
    for (const port of this.#open.values()) port.close()
    await this.#sink.end()
  }
}

async function captureKernel(
  info: LabInfo,
  wanted: readonly Wanted[],
  options: CaptureOptions,
): Promise<void> {
  const { openKernelSite } = await import('./lab-kernel.ts')
  const { fabric, naming } = await openKernelSite(info)
  const stop = onStop('ending the capture')
  let leave: (() => void) | undefined
  try {
    const ended = new Promise<void>((resolve) => {
      leave = resolve
      stop.signal.addEventListener('abort', () => resolve())
    })
    const tap = new Tap(fabric, openFile(options.write), naming.prefix, leave)
    await tap.look(
      wanted,
      info.nodes.map((n) => `${naming.prefix}${n.name}`),
    )
    const missing = tap.missing(wanted)
    if (missing.length > 0) {
      await tap.end()
      throw noLink(info, missing, tap.seen)
    }
    process.stderr.write('capturing; Ctrl-C ends it\n')
    if (!stop.signal.aborted) await ended
    await tap.end()
    report(options, tap.frames)
  } finally {
    stop.done()
    await fabric.close()
  }
}
