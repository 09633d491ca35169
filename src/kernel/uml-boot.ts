/**
 * What every guest of User Mode Linux (Debian `user-mode-linux`) is booted with: a second real
 * kernel, as an ordinary process on the host's own file system, root or not. It has 8021q, ipvlan
 * and dummy where a machine's own kernel may lack them.
 *
 * A guest sees the real root file system, with its own /proc, /sys, /run, /dev and /dev/shm.
 */
import { existsSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { missingCapabilities } from '../sys/capability.ts'
import { hidePtraceXstate } from '../sys/seccomp.ts'

/** The kernel. */
export const UML_PROGRAM = '/usr/bin/linux.uml'
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

/** Why User Mode Linux cannot be used here; undefined when it can. */
export function umlMissing(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return 'User Mode Linux needs x86-64 Linux'
  for (const path of [UML_PROGRAM, MODULES])
    if (!existsSync(path)) return `${path} is not installed (Debian package user-mode-linux)`
  return undefined
}

/**
 * Parameters of a kernel whose first program is a script. On some processors this thread's children
 * must not see part of their registers: from here on they do not.
 */
export function bootParameters(init: string, memoryMib: number): string[] {
  const wide = hasWideRegisters()
  if (wide) hidePtraceXstate()
  return [
    'rootfstype=hostfs',
    'rw',
    `init=${init}`,
    `mem=${memoryMib}M`,
    'con=null',
    'quiet',
    'loglevel=1',
    ...(wide ? [NO_WIDE_REGISTERS] : []),
  ]
}

/** The lines with which a first program begins: file systems, environment, modules, lo. */
export function bootLines(env: Readonly<Record<string, string>>, cwd: string): string[] {
  const all: Record<string, string> = {
    PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/root',
    TERM: 'dumb',
    LANG: 'C.UTF-8',
    ...env,
  }
  return [
    '#!/bin/sh',
    'mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs tmpfs /run',
    'mkdir -p /run/guest/proc; mount -t proc proc /run/guest/proc',
    'mkdir -p /dev/shm 2>/dev/null; mount -t tmpfs tmpfs /dev/shm',
    'ln -s /proc/self/fd /dev/fd; for n in 0:stdin 1:stdout 2:stderr; do',
    '  ln -s /proc/self/fd/${n%:*} /dev/${n#*:}; done 2>/dev/null',
    ...Object.entries(all).map(([key, value]) => `export ${key}=${quote(value)}`),
    ...loadModules(),
    'ip link set lo up',
    `cd ${quote(cwd)}`,
  ]
}

/**
 * The file that powers a guest off. Not /proc/sysrq-trigger: programs of a guest are processes of
 * the host that its kernel traces, and when that is killed alone they go on as they are. Of what
 * they do then nothing must be meant for this machine's kernel; here it has no such file.
 */
export const POWER_FILE = '/run/guest/proc/sysrq-trigger'
/** What powers a guest off. */
export const POWER_OFF = `sync; echo o > ${POWER_FILE}; sleep 5`

/**
 * The command line of a guest's kernel. As root it is in a PID namespace of its own, whose first
 * program ends with it: whatever is left of the guest then goes at once, before it can do to this
 * machine as root what it was about to do to the guest. (The kernel itself as first program could
 * not end itself by a signal, which is how it panics.)
 */
export function umlCommand(parameters: readonly string[]): readonly [string, ...string[]] {
  if (missingCapabilities().length > 0) return [UML_PROGRAM, ...parameters]
  const first = ['sh', '-c', '"$@"; exit $?', 'sh', UML_PROGRAM]
  return ['unshare', '--pid', '--fork', '--kill-child', '--', ...first, ...parameters]
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

/** How a guest's process ended, in words: `status 0`, `SIGSEGV`. */
export function howEnded(code: number | null, signal: NodeJS.Signals | null): string {
  // The first program of a PID namespace tells the signal of the kernel as a shell does.
  const number = signal === null && code !== null && code > 128 ? code - 128 : undefined
  const [name] = Object.entries(constants.signals).find(([, n]) => n === number) ?? []
  return signal ?? name ?? `status ${code}`
}

/** A word as a shell reads it back. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
