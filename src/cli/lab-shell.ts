/** `lanyard lab shell`: a prompt at a node of a lab that is up. */
import { readFileSync, writeFileSync } from 'node:fs'
import { createInterface, type Interface } from 'node:readline'
import { COMMAND_NAMES } from '../shell/run.ts'
import { type Inside, insideLine } from '../shell/session.ts'
import { fail } from './failure.ts'
import { checkNode, chooseLab, LiveSim, tellFileNote } from './lab-live.ts'
import { completionsOf } from './lab-complete.ts'
import { type LabInfo, LabState } from './lab-state.ts'

const HISTORY_MAX = 1000

const HELP = `Commands: ${COMMAND_NAMES.toSorted().join(' ')}
and of this prompt: explain [FROM] TO [--fix N], help, history, exit (or Ctrl-D).
Pipes, && || ; and > /proc/sys/... work.
What changes the lab is kept: "lanyard lab back N" takes it back.
`

/** @returns the status of the last command */
export async function labShell(
  node: string | undefined,
  options: { readonly lab?: string },
): Promise<number> {
  const state = new LabState()
  const info = state.info(chooseLab(state, options.lab))
  const at = node ?? info.nodes[0]?.name ?? ''
  checkNode(info, at)
  tellFileNote(state, info)
  if (info.fabric === 'kernel') {
    const { kernelExec } = await import('./lab-kernel.ts')
    return await kernelExec(info, at, shellCommand(at))
  }
  if (info.fabric === 'uml') {
    const { execInGuest } = await import('./guest-run.ts')
    return await execInGuest(info, at, shellCommand(at))
  }
  const lock = await state.lock(info.lab)
  let live: LiveSim
  try {
    live = await LiveSim.open(state, info.lab)
  } finally {
    lock.release()
  }
  return await new Prompt(state, info, live, at).run()
}

/** A real shell that says where it is; without a terminal one that reads lines. */
function shellCommand(node: string): string[] {
  if (!process.stdin.isTTY) return ['sh']
  return ['env', `PS1=[root@${node} ~]# `, 'bash', '--norc', '--noprofile', '-i']
}

/** One conversation at one node. */
class Prompt {
  readonly #state: LabState
  readonly #info: LabInfo
  readonly #live: LiveSim
  readonly #node: string
  readonly #lines: Interface
  readonly #asks = process.stdin.isTTY && process.stdout.isTTY
  #before = ''
  /** A shell in a container, which gets what is typed. */
  #inside: Inside | undefined
  #code = 0
  #closed = false

  constructor(state: LabState, info: LabInfo, live: LiveSim, node: string) {
    this.#state = state
    this.#info = info
    this.#live = live
    this.#node = node
    this.#lines = createInterface({
      input: process.stdin,
      ...(this.#asks ? { output: process.stdout } : {}),
      terminal: this.#asks,
      history: this.#asks ? this.#history() : [],
      historySize: HISTORY_MAX,
      removeHistoryDuplicates: true,
      completer: (line: string, done: (error: null, found: [string[], string]) => void) => {
        void completionsOf(live.world, node, line).then((found) => done(null, found))
      },
    })
  }

  async run(): Promise<number> {
    const lines = this.#lines
    this.#setPrompt()
    if (this.#asks) {
      lines.on('SIGINT', () => this.#interrupt())
      lines.on('history', (history: string[]) => this.#remember(history))
      lines.prompt()
    }
    let work = Promise.resolve()
    lines.on('line', (line) => {
      work = work.then(() => this.#line(line))
      work.catch(() => lines.close())
    })
    await new Promise<void>((resolve) => lines.on('close', resolve))
    await work
    if (this.#asks && !this.#closed) process.stdout.write('\n')
    return this.#code
  }

  #setPrompt(): void {
    this.#lines.setPrompt(this.#inside?.prompt ?? `[root@${this.#node} ~]# `)
  }

  /** Ctrl-C: the line is given up, the lab is as it was. */
  #interrupt(): void {
    this.#before = ''
    process.stdout.write('^C\n')
    // By its fields: a terminal without cursor movements (TERM=dumb) has no Ctrl-U.
    Object.assign(this.#lines, { line: '', cursor: 0 })
    this.#lines.prompt()
  }

  async #line(text: string): Promise<void> {
    if (this.#closed) return
    if (text.endsWith('\\')) {
      this.#before += text.slice(0, -1)
      if (this.#asks) process.stdout.write('> ')
      return
    }
    const line = `${this.#before}${text}`.trim()
    this.#before = ''
    if (this.#inside !== undefined) {
      await this.#lineInside(this.#inside, line)
      return
    }
    if (line === 'exit' || line === 'logout') {
      this.#closed = true
      this.#lines.close()
      return
    }
    if (line === 'help') process.stdout.write(HELP)
    else if (line === 'history') process.stdout.write(this.#numbered())
    else if (/^explain(\s|$)/.test(line)) await this.#explain(line.split(/\s+/).slice(1))
    else if (line !== '' && !line.startsWith('#')) await this.#command(line)
    if (this.#asks) this.#lines.prompt()
  }

  async #lineInside(inside: Inside, line: string): Promise<void> {
    if (line === 'exit') {
      this.#inside = undefined
      this.#setPrompt()
      if (inside.atEnd !== undefined) await this.#command(inside.atEnd, true)
    } else if (line !== '') await this.#command(insideLine(inside, line))
    if (this.#asks) this.#lines.prompt()
  }

  /** `explain [FROM] TO [--fix N]`: from here when one end is named. */
  async #explain(words: readonly string[]): Promise<void> {
    const option = words.indexOf('--fix')
    const ends = option < 0 ? words : words.slice(0, option)
    const [number = '', ...rest] = option < 0 ? ['1'] : words.slice(option + 1)
    const [from, to] = ends.length === 1 ? [this.#node, ends[0]] : ends
    if (to === undefined || ends.length > 2 || !/^[1-9]\d*$/.test(number) || rest.length > 0) {
      process.stderr.write('usage: explain [FROM] TO [--fix N]\n')
      this.#code = 2
      return
    }
    const { explainAt } = await import('./explain.ts')
    try {
      this.#code = await explainAt(from, to, this.#info.lab, option < 0 ? undefined : +number)
    } catch (error) {
      this.#code = fail(error)
    }
  }

  /**
   * Meanwhile Ctrl-C is a signal, which ends this process: the simulator does not stop to listen to
   * keys. What it was at is in no journal yet, so the lab is as it was before.
   */
  async #command(line: string, quiet = false): Promise<void> {
    if (this.#asks) process.stdin.setRawMode(false)
    try {
      await this.#run(line, quiet)
    } finally {
      if (this.#asks && !this.#closed) process.stdin.setRawMode(true)
    }
  }

  async #run(line: string, quiet: boolean): Promise<void> {
    const lock = await this.#state.lock(this.#info.lab)
    try {
      await this.#live.refresh()
      const out = await this.#live.run(this.#node, line)
      this.#code = out.code
      if (!quiet) process.stdout.write(out.stdout)
      process.stderr.write(out.stderr)
      if (out.inside !== undefined) {
        this.#inside = out.inside
        this.#setPrompt()
      }
    } finally {
      lock.release()
    }
  }

  #numbered(): string {
    const all = this.#history().toReversed()
    return all.map((line, n) => `${String(n + 1).padStart(5)}  ${line}\n`).join('')
  }

  /** Newest first, as readline has it. */
  #history(): string[] {
    try {
      const text = readFileSync(this.#state.historyFile(this.#info.lab), 'utf8')
      return text.split('\n').filter((l) => l !== '')
    } catch {
      return []
    }
  }

  #remember(history: readonly string[]): void {
    const file = this.#state.historyFile(this.#info.lab)
    writeFileSync(file, `${history.slice(0, HISTORY_MAX).join('\n')}\n`)
  }
}
