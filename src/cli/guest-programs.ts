/** In a guest of User Mode Linux: the programs that run there for commands on the host. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, read, write } from 'node:fs'
import { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { openPipe } from '../sys/pipe.ts'
import { openPty, setWindowSize, type WindowSize } from '../sys/pty.ts'
import type { Ending, ExecRequest, LanyardRequest } from './guest-request.ts'
import { enterNode } from './lab-enter.ts'
import { settleLab } from './lab-settle.ts'

export interface Running {
  readonly ended: Promise<Ending>
  /** Resolves when it was taken. */
  input(bytes: Uint8Array): Promise<void>
  endInput(): void
  /** Nobody reads what it says any more: it is told as by any pipe. */
  endOutput(): void
  signal(name: NodeJS.Signals): void
  resize(size: WindowSize): void
  /** The terminal is gone, or who asked. */
  hangUp(): void
}

/** Takes output; resolves when there is room for more. */
export type Output = (kind: 'o' | 'r', bytes: Uint8Array) => Promise<void>

/** What is left in a pipe when its program has ended is read by then. */
const REST_MS = 100
/** How long a program may take to end when it is hung up. */
const HANG_UP_MS = 1000
const PART_BYTES = 65_536

/** A command at a node, as `lab exec` and `lab shell` run it on any kernel. */
export async function runAtNode(request: ExecRequest, output: Output): Promise<Running> {
  await settleLab(request.lab)
  const words = [...enterNode(request.lab, request.node), ...request.command]
  const place = { cwd: '/', env: environment(request.env) }
  const { terminal } = request
  return terminal === undefined
    ? runOnPipes(words, place, request.stdin, output)
    : runOnTerminal(words, place, terminal, output)
}

interface Place {
  readonly cwd: string
  readonly env: Record<string, string>
}

/** The folder of the host, where it is one here. */
async function placeOf({ cwd }: { readonly cwd: string }, output: Output): Promise<string> {
  if (existsSync(cwd)) return cwd
  const note = `lanyard: ${cwd} is not there in User Mode Linux: run in /\n`
  await output('r', Buffer.from(note))
  return '/'
}

/** What the host's environment lacks here, or has and must not. */
function environment(given: Readonly<Record<string, string>>): Record<string, string> {
  const { GLIBC_TUNABLES: tunables } = process.env
  // An ordinary user's path may lack the folders of what configures networks.
  const path = new Set([...(given['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'])
  return {
    ...given,
    PATH: [...path].filter((part) => part !== '').join(':'),
    ...(tunables === undefined ? {} : { GLIBC_TUNABLES: tunables }),
  }
}

function runOnPipes(
  [program = '', ...args]: readonly string[],
  place: Place,
  hasInput: boolean,
  output: Output,
): Running {
  // Pipes, as a shell has them: Node's own are sockets, which /dev/stdin cannot open again.
  const [stdin, stdout, stderr] = [hasInput ? openPipe() : undefined, openPipe(), openPipe()]
  const child = spawn(program, args, {
    ...place,
    stdio: [stdin?.read ?? 'ignore', stdout.write, stderr.write],
    // A group of its own, for signals.
    detached: true,
  })
  for (const fd of [stdin?.read, stdout.write, stderr.write]) if (fd !== undefined) closeSync(fd)
  const said = new Socket({ fd: stdout.read, readable: true, writable: false })
  const outs = [
    flow(said, 'o', output),
    flow(new Socket({ fd: stderr.read, readable: true, writable: false }), 'r', output),
  ]
  const into =
    stdin && new Socket({ fd: stdin.write, readable: false, writable: true }).on('error', nothing)
  return {
    ...controls(child),
    ended: endOf(child, outs),
    input: (bytes) =>
      new Promise((resolve) => {
        // A program that has closed its input takes no more: it is read on, and lost.
        if (into === undefined || into.destroyed) resolve()
        else into.write(bytes, () => resolve())
      }),
    endInput: () => into?.end(),
    endOutput: () => said.destroy(),
    resize: nothing,
  }
}

function runOnTerminal(
  words: readonly string[],
  place: Place,
  size: WindowSize,
  output: Output,
): Running {
  const { master, slave } = openPty(size)
  // A session of its own, and this its terminal.
  const child = spawn('setsid', ['--ctty', ...words], { ...place, stdio: [slave, slave, slave] })
  closeSync(slave)
  const out = flow(readAll(master), 'o', output)
  const control = controls(child)
  return {
    ...control,
    ended: endOf(child, [out]),
    input: (bytes) => writeAll(master, bytes),
    endInput: nothing,
    endOutput: control.hangUp,
    resize: (window) => setWindowSize(master, window),
  }
}

function controls(child: ChildProcess): Pick<Running, 'signal' | 'hangUp'> {
  const signal = (name: NodeJS.Signals): void => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    try {
      process.kill(-child.pid, name)
    } catch {
      // It ended by itself.
    }
  }
  return {
    signal,
    hangUp: () => {
      signal('SIGHUP')
      setTimeout(() => signal('SIGKILL'), HANG_UP_MS)
    },
  }
}

interface Flow {
  /** Resolves at the end of the stream. */
  readonly ended: Promise<void>
  /** When something last came. */
  lastMs(): number
}

/**
 * What a program says, for as long as anybody has the other end: what it left in the background may
 * go on, and nobody hears it then.
 */
function flow(stream: AsyncIterable<Uint8Array>, kind: 'o' | 'r', output: Output): Flow {
  let last = performance.now()
  const all = async (): Promise<void> => {
    try {
      for await (const bytes of stream) {
        await output(kind, bytes)
        last = performance.now()
      }
    } catch {
      // The other end is gone: that is its end.
    }
  }
  return { ended: all(), lastMs: () => last }
}

/** How a program ended, once what it said is said. */
async function endOf(child: ChildProcess, outs: readonly Flow[]): Promise<Ending> {
  const ending = await new Promise<Ending>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
  const all = Promise.all(outs.map(({ ended }) => ended)).then(() => true)
  const exited = performance.now()
  for (;;) {
    if (await Promise.race([all, pause(REST_MS, false)])) return ending
    const last = Math.max(exited, ...outs.map((out) => out.lastMs()))
    if (performance.now() - last >= REST_MS) return ending
  }
}

/**
 * A terminal's master end, read by a thread: as a handle of the event loop it would be written to
 * there, too, and stand still with all else when nobody reads what was typed.
 */
async function* readAll(fd: number): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      const bytes = Buffer.alloc(PART_BYTES)
      const count = await new Promise<number>((resolve, reject) => {
        read(fd, bytes, 0, bytes.length, null, (error, n) => (error ? reject(error) : resolve(n)))
      })
      if (count === 0) return
      yield bytes.subarray(0, count)
    }
  } finally {
    closeSync(fd)
  }
}

function writeAll(fd: number, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    write(fd, bytes, (_, count) => {
      // Gone, or all of it taken.
      if (count >= bytes.length || count <= 0) resolve()
      else void writeAll(fd, bytes.subarray(count)).then(resolve)
    })
  })
}

function nothing(): void {}

/** A process of this program that has read itself and waits for its command line. */
let warm: ChildProcess | undefined

/** Starting one takes a second here, which is better spent while nobody waits. */
export function warmUp(): void {
  const [, program = ''] = process.argv
  warm ??= spawn(process.execPath, [...process.execArgv, program, '@guest', 'worker'], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: true,
  })
}

/** Runs a command line of this program. */
export async function runLanyard(request: LanyardRequest, output: Output): Promise<Running> {
  warmUp()
  const child = warm as ChildProcess
  warm = undefined
  const outs = [
    flow(child.stdout as AsyncIterable<Uint8Array>, 'o', output),
    flow(child.stderr as AsyncIterable<Uint8Array>, 'r', output),
  ]
  const cwd = await placeOf(request, output)
  const env = { ...environment(request.env), XDG_STATE_HOME: process.env['XDG_STATE_HOME'] ?? '' }
  child.send({ args: request.args, cwd, env })
  return {
    ...controls(child),
    ended: endOf(child, outs).finally(warmUp),
    input: () => Promise.resolve(),
    endInput: nothing,
    endOutput: () => void child.stdout?.destroy(),
    resize: nothing,
  }
}
