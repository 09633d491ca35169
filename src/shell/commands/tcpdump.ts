/**
 * `tcpdump` 4.99 on the links of a machine. In the background (`tcpdump ... & ping ...`) it listens
 * to what the rest of the line does, and ends with the line or at `wait` or `kill`, as by Ctrl-C.
 * In the foreground a simulated machine has nobody else who speaks: virtual time passes for a
 * while, for what moves by itself.
 */
import type { FramePort } from '../../fabric/fabric.ts'
import type { LinkSnapshot } from '../../fabric/snapshot.ts'
import { ToolExit } from '../arguments.ts'
import { applyOne, guarded, noSuchNetns, takeView } from '../request.ts'
import { type Command, findHost, type MachineDisk, type Output, type Session } from '../session.ts'
import { formatCapture, parseCapture } from '../tcpdump/file.ts'
import { type Filter, readFilter } from '../tcpdump/filter.ts'
import { Printer, type PrintManner, type Seen } from '../tcpdump/print.ts'
import type { Verbosity } from '../tcpdump/verbose.ts'

/** How long it listens in the foreground, ms of virtual time. */
const FOREGROUND_MS = 10_000
/** `#define DLT` names and the snapshot length both versions print. */
const SNAPSHOT = 'snapshot length 262144'

interface Options extends Omit<PrintManner, 'any'> {
  readonly link: boolean
  readonly interface: string | undefined
  /** `-w` */
  readonly into: string | undefined
  /** `-r` */
  readonly from: string | undefined
  readonly count: number
  readonly promisc: boolean
  readonly expression: readonly string[]
}

export const tcpdumpCommand: Command = (session, words) =>
  guarded(async () => {
    const options = readOptions(words)
    if (options.from !== undefined) return await readBack(session, options, options.from)
    if (options.into !== undefined) diskOf(session, '-w')
    const view = await takeView(session, session.netns)
    if (view === undefined) return noSuchNetns(session.netns)
    const links = chooseLinks(view.netns.links, options.interface)
    return await capture(session, options, links, await filterOf(session, options))
  })

async function filterOf(session: Session, { expression }: Options): Promise<Filter> {
  const find = async (name: string) => (await findHost(session, name)) ?? []
  const filter = await readFilter(expression, find)
  if (typeof filter !== 'function') throw new ToolExit(1, `tcpdump: ${filter.failure}\n`)
  return filter
}

const FILES = 'captures to files are "lanyard lab capture NODE:LINK -w FILE"'

/** Where files are kept; a session without a machine keeps none. */
function diskOf(session: Session, option: string): MachineDisk {
  return session.machine?.disk ?? notYet(option, FILES)
}

/** `-r`: what was captured before. */
async function readBack(session: Session, options: Options, path: string): Promise<Output> {
  const filter = await filterOf(session, options)
  const text = diskOf(session, '-r').read(path)
  if (text === undefined) throw new ToolExit(1, `tcpdump: ${path}: No such file or directory\n`)
  const file = parseCapture(text)
  if (file === undefined) throw new ToolExit(1, 'tcpdump: unknown file format\n')
  const seen = file.seen.filter(({ frame }) => filter(frame)).slice(0, options.count)
  const head = `reading from file ${path}, ${linkType(file.any)}, ${SNAPSHOT}\n`
  const stderr = `${head}${file.any ? 'Warning: interface names might be incorrect\n' : ''}`
  if (options.into !== undefined) {
    diskOf(session, '-w').write(options.into, formatCapture({ any: file.any, seen }))
    return { code: 0, stdout: '', stderr }
  }
  const printer = new Printer({ ...options, any: file.any })
  return { code: 0, stdout: seen.map((one) => printer.line(one)).join(''), stderr }
}

function linkType(any: boolean): string {
  return `link-type ${any ? 'LINUX_SLL2 (Linux cooked v2)' : 'EN10MB (Ethernet)'}`
}

const FLAGS: Readonly<Record<string, string>> = {
  e: 'link',
  v: 'verbose',
  t: 'time',
  S: 'absolute',
  p: 'promisc',
}
/** Taken without a word: names are never asked for, and what is seen is printed at once. */
const IDLE = /^[nNlUKb]$/
const WITH_VALUE = /^[icsQwr]$/

function readOptions(words: readonly string[]): Options {
  const seen = new Map<string, number>()
  let name: string | undefined
  let into: string | undefined
  let from: string | undefined
  let count = Infinity
  let at = 0
  for (; at < words.length && /^-./.test(words[at] ?? ''); at++) {
    const word = words[at] as string
    if (word === '--') {
      at++
      break
    }
    if (word.startsWith('--')) notYet(word)
    for (let n = 1; n < word.length; n++) {
      const letter = word[n] as string
      if (WITH_VALUE.test(letter)) {
        const value = word.slice(n + 1) || words[++at]
        if (value === undefined) {
          throw new ToolExit(1, `tcpdump: option requires an argument -- '${letter}'\n`)
        }
        if (letter === 'i') name = value
        else if (letter === 'w') into = fileName('-w', value)
        else if (letter === 'r') from = fileName('-r', value)
        else if (letter === 'c') count = readCount(value)
        else if (letter !== 's' || !/^(0|262144)$/.test(value)) notYet(`-${letter}`)
        break
      }
      const known = FLAGS[letter]
      if (known === undefined && !IDLE.test(letter)) notYet(`-${letter}`)
      if (known !== undefined) seen.set(known, (seen.get(known) ?? 0) + 1)
    }
  }
  if ((seen.get('time') ?? 0) > 1) notYet('-tt')
  return {
    interface: name,
    into,
    from,
    count,
    link: seen.has('link'),
    verbose: Math.min(2, seen.get('verbose') ?? 0) as Verbosity,
    time: !seen.has('time'),
    absolute: seen.has('absolute'),
    promisc: !seen.has('promisc'),
    expression: words.slice(at),
  }
}

function notYet(
  option: string,
  instead = 'it has -i -n -e -v -vv -c -t -S -p -w -r and expressions',
): never {
  throw new ToolExit(
    127,
    `lanyard: "${option}" of tcpdump is not part of this shell yet: ${instead}\n`,
  )
}

/** Standard input and output carry text here. */
function fileName(option: string, value: string): string {
  return value === '-' ? notYet(`${option} -`, FILES) : value
}

function readCount(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : 0
  if (count < 1) throw new ToolExit(1, `tcpdump: invalid packet count ${text}\n`)
  return count
}

function chooseLinks(
  links: readonly LinkSnapshot[],
  wanted: string | undefined,
): readonly LinkSnapshot[] {
  if (wanted === 'any') return links.filter((l) => l.up)
  const name = wanted ?? links.find((l) => l.up && l.carrier && l.kind !== 'loopback')?.name ?? 'lo'
  const link = links.find((l) => l.name === name)
  if (link === undefined) {
    const missing = 'No such device exists'
    throw new ToolExit(1, `tcpdump: ${name}: ${missing}\n(${missing})\n`)
  }
  if (!link.up) throw new ToolExit(1, `tcpdump: ${name}: That device is not up\n`)
  return [link]
}

async function capture(
  session: Session,
  options: Options,
  links: readonly LinkSnapshot[],
  filter: Filter,
): Promise<Output> {
  const any = options.interface === 'any'
  const seen: Seen[] = []
  let enough = (): void => undefined
  const full = new Promise<void>((resolve) => {
    enough = resolve
  })
  const ports: FramePort[] = []
  const close = (): void => {
    for (const port of ports) port.close()
  }
  for (const link of links) {
    const port = await session.fabric.openPort(session.netns, link.name, (captured) => {
      const { frame } = captured
      if (frame === undefined || seen.length >= options.count || !filter(frame)) return
      seen.push({ link: link.name, index: link.index, captured, frame })
      if (seen.length >= options.count) enough()
    })
    ports.push(port)
  }
  try {
    const listened = await promiscuous(session, options, links)
    let why = ''
    if (session.background === undefined) why = await foreground(session, full)
    else {
      session.background.started()
      await Promise.race([full, session.background.stopped])
    }
    await listened.end()
    if (options.into !== undefined)
      diskOf(session, '-w').write(options.into, formatCapture({ any, seen }))
    return report(options, any, links[0]?.name ?? '', seen, why)
  } finally {
    close()
  }
}

/** A socket of tcpdump has its link take every frame, but for `any` and with `-p`. */
async function promiscuous(
  session: Session,
  options: Options,
  links: readonly LinkSnapshot[],
): Promise<{ readonly end: () => Promise<void> }> {
  const [link] = links
  const set = async (promisc: boolean): Promise<void> => {
    if (link === undefined) return
    await applyOne(session, { do: 'link.set', netns: session.netns, name: link.name, promisc })
  }
  const wanted = options.promisc && options.interface !== 'any' && link?.promisc === false
  if (!wanted) return { end: () => Promise.resolve() }
  await set(true)
  return { end: () => set(false) }
}

/** @returns why it ended by itself, as a line of its own; empty when it saw what it waited for */
async function foreground(session: Session, full: Promise<void>): Promise<string> {
  const slept = async (): Promise<'slept'> => {
    await session.fabric.clock.sleep(100)
    return 'slept'
  }
  for (let ms = 0; ms < FOREGROUND_MS; ms += 100) {
    const came = await Promise.race([full, slept()])
    if (came !== 'slept') return ''
  }
  const hint = 'what a command does is heard by "tcpdump ... & COMMAND"'
  return `lanyard: ended after ${FOREGROUND_MS / 1000} s of the lab's time: ${hint}\n`
}

function report(
  options: Options,
  any: boolean,
  link: string,
  seen: readonly Seen[],
  why: string,
): Output {
  const printer = new Printer({ ...options, any })
  const listening = `listening on ${any ? 'any' : link}, ${linkType(any)}, ${SNAPSHOT} bytes\n`
  const toFile = options.into !== undefined
  const quiet =
    'tcpdump: verbose output suppressed, use -v[v]... for full protocol decode\n' + listening
  const head = options.verbose > 0 || toFile ? `tcpdump: ${listening}` : quiet
  const packets = `${seen.length} packet${seen.length === 1 ? '' : 's'}`
  const counts = `${packets} captured\n${packets} received by filter\n`
  return {
    code: 0,
    // Behind the ^C of a terminal a line ends.
    stdout: toFile
      ? ''
      : seen.map((one) => printer.line(one)).join('') + (seen.length < options.count ? '\n' : ''),
    stderr:
      (any ? 'tcpdump: data link type LINUX_SLL2\n' : '') +
      `${head}${counts}0 packets dropped by kernel\n${why}`,
  }
}
