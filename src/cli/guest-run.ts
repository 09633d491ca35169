/**
 * `lanyard lab exec`, `shell`, `matrix`, ... in a lab that lives in a guest: on this terminal, with
 * this input, and the exit status of what ran there.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { EXIT } from './failure.ts'
import { guestGone, runningGuest } from './guest-record.ts'
import type { Ending, ExecRequest, GuestRequest } from './guest-request.ts'
import { GuestSession } from './guest-session.ts'
import { type LabInfo, LabState } from './lab-state.ts'

/** Passed on to what runs there; a process that is told twice to end ends here, too. */
const PASSED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const
/** As a terminal sends it. */
const CTRL_C = 3
/** A guest that took nothing for so long may never do. */
const DEAF_MS = 2000
/** How long what runs there may take to end when this process is to. */
const LEAVING_MS = 5000
/** Of this machine, and not of the guest. */
const NOT_THERE = new Set(['XDG_RUNTIME_DIR', 'XDG_STATE_HOME', 'LANYARD_LAB', 'GLIBC_TUNABLES'])

/** Runs a command at a node. @returns its exit status @throws LanyardError `lab-guest-gone` */
export async function execInGuest(
  info: LabInfo,
  node: string,
  command: readonly string[],
): Promise<number> {
  const { stdin, stdout } = process
  const atTerminal = stdin.isTTY && stdout.isTTY
  const request: ExecRequest = {
    do: 'exec',
    lab: info.lab,
    node,
    command,
    stdin: atTerminal || hasInput(),
    env: environment(),
    ...(atTerminal ? { terminal: { columns: stdout.columns, rows: stdout.rows } } : {}),
  }
  return await runInGuest(info, request)
}

/** Runs `lanyard ARGS` there. @returns its exit status @throws LanyardError `lab-guest-gone` */
export async function lanyardInGuest(info: LabInfo, args: readonly string[]): Promise<number> {
  const env = environment()
  const colours = process.stdout.isTTY && env['NO_COLOR'] === undefined
  return await runInGuest(info, {
    do: 'lanyard',
    args,
    cwd: workingFolder(),
    // There it writes to no terminal: whether there are colours is decided by ours.
    env: colours ? { FORCE_COLOR: '1', ...env } : env,
  })
}

async function runInGuest(info: LabInfo, request: GuestRequest): Promise<number> {
  const session = new GuestSession(runningGuest(info), request, {
    onOutput: (kind, bytes) => write(kind === 'o' ? process.stdout : process.stderr, bytes),
    onWait: (pid) =>
      void process.stderr.write(
        `lanyard: waiting for the kernel of lab ${info.lab}, process ${pid}\n`,
      ),
  })
  let ending: Ending | undefined
  const stop = connect(session, request)
  try {
    ending = await session.end()
  } finally {
    stop()
  }
  if (ending === undefined) throw guestGone(info, new LabState())
  return ending.signal === null ? (ending.code ?? 1) : 130
}

/** Input and signals, from here to there. @returns what ends that */
function connect(session: GuestSession, request: GuestRequest): () => void {
  const { stdin, stdout } = process
  const ends: (() => void)[] = []
  for (const name of PASSED) {
    const pass = (): void => {
      if (isDeaf(session)) leave(session)
      void session.toGuest.send('s', name)
      if (name === 'SIGINT' || name === 'SIGQUIT') return
      setTimeout(() => leave(session), LEAVING_MS).unref()
    }
    process.on(name, pass)
    ends.push(() => process.off(name, pass))
  }
  // `... | head`: whoever reads has read enough.
  const left = (error: NodeJS.ErrnoException): void => {
    if (error.code === 'EPIPE') void session.toGuest.send('p')
  }
  stdout.on('error', left)
  ends.push(() => stdout.off('error', left))
  if (request.do !== 'exec' || !request.stdin) return () => ends.forEach((end) => end())
  if (request.terminal !== undefined) {
    stdin.setRawMode(true)
    const resized = (): void => void session.toGuest.send('w', `${stdout.columns} ${stdout.rows}`)
    stdout.on('resize', resized)
    ends.push(
      () => stdout.off('resize', resized),
      () => stdin.setRawMode(false),
    )
  }
  const data = (bytes: Buffer): void => {
    if (request.terminal !== undefined && bytes.includes(CTRL_C) && isDeaf(session)) leave(session)
    stdin.pause()
    void session.toGuest.send('d', bytes).then(() => stdin.resume())
  }
  const end = (): void => void session.toGuest.send('e')
  stdin.on('data', data).once('end', end).once('error', end)
  ends.push(() => {
    stdin.off('data', data).off('end', end).off('error', end)
    stdin.destroy()
  })
  return () => ends.forEach((one) => one())
}

/** Whether the guest does not answer: then Ctrl-C ends this process. */
function isDeaf(session: GuestSession): boolean {
  return !session.taken || (session.toGuest.unreadMs() ?? 0) > DEAF_MS
}

function leave(session: GuestSession): void {
  session.hangUp()
  process.exit(EXIT.stopped)
}

/** Whether anything can be read from standard input: not so of /dev/null and of nothing. */
function hasInput(): boolean {
  try {
    return readlinkSync('/proc/self/fd/0') !== '/dev/null' && !isInBackground()
  } catch {
    return false
  }
}

/** Who reads from a terminal in the background is stopped, though what runs there may not read. */
function isInBackground(): boolean {
  if (!process.stdin.isTTY) return false
  const stat = readFileSync('/proc/self/stat', 'latin1')
  const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return group !== foreground
}

/** A folder that was removed is none. */
function workingFolder(): string {
  try {
    return process.cwd()
  } catch {
    return '/'
  }
}

function environment(): Record<string, string> {
  const env: Record<string, string> = {}
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !NOT_THERE.has(name)) env[name] = value
  }
  return env
}

/** Resolves when it may be written on; to nobody, at once. */
function write(stream: NodeJS.WriteStream, bytes: Buffer): Promise<void> {
  if (stream.destroyed || stream.write(bytes)) return Promise.resolve()
  return new Promise((resolve) => {
    const on = (): void => {
      stream.off('drain', on).off('close', on)
      resolve()
    }
    stream.on('drain', on).on('close', on)
  })
}
