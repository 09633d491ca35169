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
import { type Command, findHost, type Output, type Session } from '../session.ts'
import { type Filter, readFilter } from '../tcpdump/filter.ts'
import { Printer, type PrintManner, type Seen } from '../tcpdump/print.ts'

/** How long it listens in the foreground, ms of virtual time. */
const FOREGROUND_MS = 10_000
/** `#define DLT` names and the snapshot length both versions print. */
const SNAPSHOT = 'snapshot length 262144 bytes'

interface Options extends Omit<PrintManner, 'any'> {
  readonly link: boolean
  readonly interface: string | undefined
  readonly count: number
  readonly promisc: boolean
  readonly expression: readonly string[]
}

export const tcpdumpCommand: Command = (session, words) =>
  guarded(async () => {
    const options = readOptions(words)
    const view = await takeView(session, session.netns)
    if (view === undefined) return noSuchNetns(session.netns)
    const links = chooseLinks(view.netns.links, options.interface)
    const filter = await readFilter(
      options.expression,
      async (name) => (await findHost(session, name)) ?? [],
    )
    if (typeof filter !== 'function') throw new ToolExit(1, `tcpdump: ${filter.failure}\n`)
    return await capture(session, options, links, filter)
  })

const FLAGS: Readonly<Record<string, string>> = {
  e: 'link',
  v: 'verbose',
  t: 'time',
  S: 'absolute',
  p: 'promisc',
}
/** Taken without a word: names are never asked for, and what is seen is printed at once. */
const IDLE = /^[nNlUKb]$/
const WITH_VALUE = /^[icsQ]$/

function readOptions(words: readonly string[]): Options {
  const seen = new Map<string, number>()
  let name: string | undefined
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
        else if (letter === 'c') count = readCount(value)
        else if (letter !== 's' || !/^(0|262144)$/.test(value)) notYet(`-${letter}`)
        break
      }
      if (letter === 'w' || letter === 'r') {
        notYet(`-${letter}`, 'captures to files are "lanyard lab capture NODE:LINK -w FILE"')
      }
      const known = FLAGS[letter]
      if (known === undefined && !IDLE.test(letter)) notYet(`-${letter}`)
      if (known !== undefined) seen.set(known, (seen.get(known) ?? 0) + 1)
    }
  }
  if ((seen.get('verbose') ?? 0) > 1) notYet('-vv')
  if ((seen.get('time') ?? 0) > 1) notYet('-tt')
  return {
    interface: name,
    count,
    link: seen.has('link'),
    verbose: seen.has('verbose'),
    time: !seen.has('time'),
    absolute: seen.has('absolute'),
    promisc: !seen.has('promisc'),
    expression: words.slice(at),
  }
}

function notYet(option: string, instead = 'it has -i -n -e -v -c -t -S -p and expressions'): never {
  throw new ToolExit(
    127,
    `lanyard: "${option}" of tcpdump is not part of this shell yet: ${instead}\n`,
  )
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
  const type = any ? 'LINUX_SLL2 (Linux cooked v2)' : 'EN10MB (Ethernet)'
  const listening = `listening on ${any ? 'any' : link}, link-type ${type}, ${SNAPSHOT}\n`
  const quiet =
    'tcpdump: verbose output suppressed, use -v[v]... for full protocol decode\n' + listening
  const head = options.verbose ? `tcpdump: ${listening}` : quiet
  const packets = `${seen.length} packet${seen.length === 1 ? '' : 's'}`
  const counts = `${packets} captured\n${packets} received by filter\n`
  return {
    code: 0,
    // Behind the ^C of a terminal a line ends.
    stdout:
      seen.map((one) => printer.line(one)).join('') + (seen.length < options.count ? '\n' : ''),
    stderr:
      (any ? 'tcpdump: data link type LINUX_SLL2\n' : '') +
      `${head}${counts}0 packets dropped by kernel\n${why}`,
  }
}
