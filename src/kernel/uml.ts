/**
 * User Mode Linux (Debian `user-mode-linux`): a second real kernel, booted as an ordinary process
 * on the host's own file system, root or not. It has 8021q, ipvlan and dummy where a machine's own
 * kernel may lack them.
 *
 * The guest sees the real root file system, with its own /proc, /sys, /run and /dev/shm, and runs
 * one command. A program that is killed outright (SIGKILL) leaves its guest running and a scratch
 * directory in the temporary folder, nothing else.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hidePtraceXstate } from '../sys/seccomp.ts'

const PROGRAM = '/usr/bin/linux.uml'
const MODULES = '/usr/lib/uml/modules'
/** Modules loaded at once at the boot; the guest loads the rest when something asks for it. */
const WANTED: readonly string[] = [
  ...['8021q', 'macvlan', 'macvtap', 'ipvlan', 'dummy', 'veth', 'bridge', 'br_netfilter', 'vxlan'],
  ...['tun', 'af_packet', 'ipv6', 'nf_tables', 'nft_compat', 'nft_ct', 'nft_masq', 'nft_redir'],
  ...['nft_chain_nat', 'nft_reject_inet', 'iptable_filter', 'iptable_nat', 'ip6table_filter'],
  ...['ip6table_nat', 'xt_MASQUERADE', 'xt_conntrack', 'xt_state', 'xt_nat', 'xt_REDIRECT'],
  ...['xt_comment', 'xt_tcpudp', 'ipt_REJECT', 'ip6t_REJECT'],
]
/** Where the guest's modprobe looks, on its own /run: the /lib/modules it sees are of the host. */
const MODPROBE = '/run/modprobe'
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

/** Why User Mode Linux cannot be used here; undefined when it can. */
export function umlMissing(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return 'User Mode Linux needs x86-64 Linux'
  for (const path of [PROGRAM, MODULES])
    if (!existsSync(path)) return `${path} is not installed (Debian package user-mode-linux)`
  return undefined
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
  const wide = hasWideRegisters()
  if (wide) hidePtraceXstate()
  const parameters = [
    'rootfstype=hostfs',
    'rw',
    `init=${init}`,
    `mem=${options.memoryMib ?? 768}M`,
    'con=null',
    'con0=fd:0,fd:1',
    'quiet',
    'loglevel=1',
    ...(options.cable === undefined ? [] : [cardOf(options.cable)]),
    ...(wide ? [NO_WIDE_REGISTERS] : []),
  ]
  const child = spawn(PROGRAM, parameters, {
    cwd: dir,
    // Standard input stays an open pipe: at its end the guest's console complains without pause.
    stdio: 'pipe',
    detached: true,
    env: { TMPDIR: tmpdir(), HOME: dir },
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
        ended: late ?? signal ?? `status ${code}`,
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
  const env: Record<string, string> = {
    PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    TERM: 'dumb',
    LANG: 'C.UTF-8',
    ...options.env,
  }
  return [
    '#!/bin/sh',
    'mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs tmpfs /run',
    'mkdir -p /dev/shm 2>/dev/null; mount -t tmpfs tmpfs /dev/shm',
    ...Object.entries(env).map(([key, value]) => `export ${key}=${quote(value)}`),
    ...loadModules(),
    'ip link set lo up',
    `cd ${quote(options.cwd ?? process.cwd())}`,
    `echo ${START}`,
    `${options.command.map(quote).join(' ')} 2>&1`,
    `echo "${EXIT}$?"`,
    'sync; echo o > /proc/sysrq-trigger; sleep 5',
    '',
  ].join('\n')
}

/**
 * One modprobe for all at the boot (a program costs a guest 30 ms to start), and the same one for
 * what the kernel asks for later. The module dummy would make a dummy0 of itself.
 */
function loadModules(): string[] {
  const modprobe = `exec modprobe -d ${MODPROBE} -C ${MODPROBE}/options`
  return [
    `mkdir -p ${MODPROBE}/lib ${MODPROBE}/options; ln -s ${MODULES} ${MODPROBE}/lib/modules`,
    `echo 'options dummy numdummies=0' > ${MODPROBE}/options/dummy.conf`,
    `printf '#!/bin/sh\\n${modprobe} "$@"\\n' > ${MODPROBE}/run; chmod +x ${MODPROBE}/run`,
    `echo ${MODPROBE}/run > /proc/sys/kernel/modprobe`,
    `${MODPROBE}/run -a ${WANTED.join(' ')} 2>/dev/null`,
  ]
}

/**
 * Whether this processor has AMX. Its register state is larger than what User Mode Linux 6.1 was
 * built for: putting it back fails, and the guest dies at its first program.
 */
function hasWideRegisters(): boolean {
  return / amx_tile /.test(readFileSync('/proc/cpuinfo', 'utf8'))
}

/**
 * Without the extended state the guest cannot keep the wide vector registers of its programs
 * apart, so they must not use them. The parameter goes through to init's environment.
 */
const NO_WIDE_REGISTERS = `GLIBC_TUNABLES=glibc.cpu.hwcaps=${[
  ...['XSAVE', 'XSAVEC', 'AVX', 'AVX2', 'AVX512F', 'AVX512VL', 'AVX512BW', 'AVX512CD', 'AVX512DQ'],
  ...['ERMS', 'FSRM', 'BMI1', 'BMI2', 'LZCNT', 'MOVBE', 'RTM', 'FMA', 'AVX_Fast_Unaligned_Load'],
]
  .map((feature) => `-${feature}`)
  .join(',')}`

/** The command that starts this Node.js inside the guest, for the same reason without AVX. */
export function nodeInUml(): string[] {
  const flags = ['avx', 'avx2', 'fma3', 'bmi1', 'bmi2'].map((feature) => `--no-enable-${feature}`)
  return hasWideRegisters() ? [process.execPath, ...flags] : [process.execPath]
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
