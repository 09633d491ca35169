/**
 * A guest of User Mode Linux that runs one command and ends with it.
 *
 * A program that is killed outright (SIGKILL) leaves its guest running and a scratch directory in
 * the temporary folder, nothing else.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bootLines, bootParameters, howEnded, POWER_OFF, quote, umlCommand } from './uml-boot.ts'

/** Guest memory where nobody says. */
const DEFAULT_MEMORY_MIB = 768
const START = '@@guest-start@@'
const EXIT = '@@guest-exit '

export interface UmlOptions {
  /** Program and arguments, found on the host's file system. */
  readonly command: readonly string[]
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Guest memory, MiB. */
  readonly memoryMib?: number
  /** After it the guest is stopped; 300 s unless given. */
  readonly timeoutMs?: number
  /** Ends the guest at once when aborted; the result then has no exit code. */
  readonly signal?: AbortSignal
  /** Called with the command's output as it comes. */
  readonly onOutput?: (text: string) => void
  /** A card of the guest, `vec0`, with a cable to another guest or to a tap. */
  readonly cable?: UmlCable | UmlTap
}

/**
 * One end of an Ethernet cable between two guests: frames cross it as UDP datagrams (L2TPv3) on the
 * loopback of the namespace both were started in.
 */
export interface UmlCable {
  readonly mac: string
  /** UDP port of this end. */
  readonly port: number
  readonly peerPort: number
}

/** A tap of the namespace the guest is started in, made before; to open it takes root. */
export interface UmlTap {
  readonly mac: string
  readonly tap: string
}

export interface UmlResult {
  /** Exit code of the command; undefined when the guest died or ran out of time. */
  readonly exitCode: number | undefined
  /** How the guest's own process ended, in words: `status 0`, `SIGSEGV`, `stopped after 300 s`. */
  readonly ended: string
  /** Its standard output and error. */
  readonly output: string
  /** What the guest printed outside of the command (for a boot that failed). */
  readonly console: string
}

/**
 * Boots a kernel, runs one command in it and powers it off.
 *
 * @example
 * ```ts
 * const { exitCode, output } = await runInUml({ command: ['ip', 'link', 'add', 'd0', 'type',
 * 'dummy'] }) ```
 */
export async function runInUml(options: UmlOptions): Promise<UmlResult> {
  const dir = mkdtempSync(join(tmpdir(), 'lanyard-uml-'))
  try {
    const init = join(dir, 'init')
    writeFileSync(init, initScript(options), { mode: 0o755 })
    return await boot(init, dir, options)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

function boot(init: string, dir: string, options: UmlOptions): Promise<UmlResult> {
  const parameters = [
    ...bootParameters(init, options.memoryMib ?? DEFAULT_MEMORY_MIB),
    'con0=fd:0,fd:1',
    ...(options.cable === undefined ? [] : [cardOf(options.cable)]),
  ]
  const [program, ...words] = umlCommand(parameters)
  const child = spawn(program, words, {
    cwd: dir,
    // Standard input stays an open pipe: at its end the guest's console complains without pause.
    stdio: 'pipe',
    detached: true,
    env: { PATH: '/usr/bin:/bin', TMPDIR: tmpdir(), HOME: dir },
  })
  return collect(child, options)
}

/** Documentation/virt/uml/user_mode_linux_howto_v2.rst, "tap transport" and "l2tpv3 transport". */
function cardOf(cable: UmlCable | UmlTap): string {
  if ('tap' in cable) return `vec0:transport=tap,ifname=${cable.tap},mac=${cable.mac}`
  const { mac, port, peerPort } = cable
  const words = ['transport=l2tpv3', 'udp=1', 'src=127.0.0.1', 'dst=127.0.0.1']
  const sessions = ['rx_session=1', 'tx_session=1']
  return `vec0:${[...words, `srcport=${port}`, `dstport=${peerPort}`, ...sessions, `mac=${mac}`].join(',')}`
}

function collect(child: ChildProcess, options: UmlOptions): Promise<UmlResult> {
  return new Promise((resolve, reject) => {
    let before: string | undefined = ''
    let console = ''
    let complaint = ''
    let output = ''
    let late: string | undefined
    const kill = (): void => killGroup(child)
    const timeoutMs = options.timeoutMs ?? 300_000
    const timer = setTimeout(() => {
      late = `stopped after ${Math.round(timeoutMs / 1000)} s`
      kill()
    }, timeoutMs)
    process.once('exit', kill)
    options.signal?.addEventListener('abort', kill)
    if (options.signal?.aborted === true) kill()
    let told = 0
    const take = (text: string): void => {
      output += text
      // Whole lines only, and nothing from the line of the exit code on.
      const exit = output.indexOf(EXIT)
      const end = exit < 0 ? output.lastIndexOf('\n') + 1 : exit
      if (end > told) options.onOutput?.(output.slice(told, end))
      told = Math.max(told, end)
    }
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      const text = chunk.replaceAll('\r', '')
      if (before === undefined) return take(text)
      before += text
      const at = before.indexOf(`${START}\n`)
      if (at < 0) return
      console = before.slice(0, at)
      const first = before.slice(at + START.length + 1)
      before = undefined
      take(first)
    })
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (complaint += chunk))
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      process.removeListener('exit', kill)
      options.signal?.removeEventListener('abort', kill)
      const at = output.lastIndexOf(EXIT)
      const exitCode = at < 0 ? undefined : Number.parseInt(output.slice(at + EXIT.length), 10)
      resolve({
        exitCode,
        ended: late ?? howEnded(code, signal),
        output: at < 0 ? output : output.slice(0, at),
        console: (before ?? console) + complaint,
      })
    })
  })
}

/** The guest's processes are threads of one group: it goes as a whole. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // It ended by itself.
  }
}

function initScript(options: UmlOptions): string {
  return [
    ...bootLines(options.env ?? {}, options.cwd ?? process.cwd()),
    `echo ${START}`,
    `${options.command.map(quote).join(' ')} 2>&1`,
    `echo "${EXIT}$?"`,
    POWER_OFF,
    '',
  ].join('\n')
}
