/**
 * A transcript on this kernel, in a lab of the program itself: real namespaces, real tools, and at
 * each node that needs one a dockerd of its own.
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { enterNode } from '../../src/cli/lab-enter.ts'
import { Dockerds, dockerMissing } from './dockerd.ts'
import { InnerShell } from './inner-shell.ts'
import { NameServer } from './name-server.ts'
import type { Printed, Typist } from './play.ts'

/** Longer than any line of a seed takes: a busy machine may take its time. */
const PATIENCE_MS = 600_000
/** A terminal is asked for, and the line does not end at once. */
const INTERACTIVE = /^docker (?:run|exec) .*-it\b.* (?:\/bin\/sh|sh|busybox)$/

/** @param program the command line that is `lanyard` */
export async function openKernel(lab: string, program: readonly string[]): Promise<Typist> {
  const folder = mkdtempSync(join(tmpdir(), 'lanyard-seeds-'))
  const file = join(folder, 'lab.yaml')
  writeFileSync(file, lab)
  const name = /^lab: (.*)$/m.exec(lab)?.[1] ?? ''
  const env = { ...process.env, XDG_STATE_HOME: folder, LANYARD_LAB: '', NO_COLOR: '1' }
  const lanyard = (...words: readonly string[]) => run([...program, 'lab', ...words], env)
  const make = () => lanyard('up', file, '--fabric', 'kernel', '-q')
  let up = make()
  if (up.code !== 0 && /VLAN|8021q/.test(up.stderr)) {
    // What of the seed needs none can be played all the same.
    writeFileSync(file, withoutVlans(lab))
    up = make()
  }
  const path = `${join(folder, 'bin')}:${process.env['PATH']}`
  const dockerds = new Dockerds(name, folder, path)
  const names = new NameServer(name, folder)
  let inner: InnerShell | undefined
  const close = async (): Promise<void> => {
    inner?.close()
    names.close()
    await dockerds.close()
    lanyard('down', name)
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
  }
  if (up.code !== 0) {
    await close()
    const why = (up.stderr.trim().split('\n')[0] ?? '').replace(/^lanyard: |: "ip .*$/g, '')
    return {
      type: async () => up,
      why: () => `the lab cannot be made on this kernel: ${why}`,
      close: async () => undefined,
    }
  }
  const first = /^ {2}([\w.-]+):/m.exec(lab.slice(lab.indexOf('\nhosts:')))?.[1] ?? ''
  const at = (line: string): boolean =>
    run([...enterNode(name, first), 'sh', '-c', line], env).code === 0
  ownTools(folder, at)
  const words = (node: string, line: string) => [
    ...enterNode(name, node),
    ...['env', `PATH=${path}`, 'sh', '-c', line],
  ]
  return {
    type: async (node, line, isInside) => {
      if (isInside) return (await inner?.type(line)) ?? NO_SHELL
      if (line.endsWith(' >> /etc/hosts')) await names.start(node)
      const typed = words(node, await dockerds.line(node, line))
      if (INTERACTIVE.test(line)) {
        inner = new InnerShell(typed)
        return await inner.open()
      }
      return / -it\b/.test(line) ? atTerminal(typed) : settled(line, () => run(typed, env))
    },
    why: reasons(at),
    close,
  }
}

/** The lab of a kernel that has neither VLANs nor bridges that filter them. */
function withoutVlans(lab: string): string {
  return lab
    .replace(/\b(p\d): (?:trunk|access) [\w ]+/g, '$1: {}')
    .replace(/^ +vlans: .*\n/gm, '')
    .replace(/^ +addr: \{\w+\.\d+: .*\n/gm, '')
}

const NO_SHELL: Printed = { code: 1, stdout: '', stderr: 'no shell is open\n' }

function run(command: readonly string[], env = process.env): Printed {
  const [program = '', ...args] = command
  const options = { encoding: 'utf8', env, timeout: PATIENCE_MS } as const
  const { status, stdout, stderr } = spawnSync(program, args, options)
  return { code: status ?? 1, stdout, stderr }
}

/** The line was typed with -t: it wants a terminal, on which nobody types. */
function atTerminal(words: readonly string[]): Promise<Printed> {
  const line = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
  // Its input stays open: of the end of its own `script` makes a character of the terminal's.
  const child = spawn('script', ['-qec', line, '/dev/null'], { timeout: PATIENCE_MS })
  let shown = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (shown += text))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) =>
      resolve({ code: code ?? 1, stdout: shown.replaceAll('\r', ''), stderr: '' }),
    )
  })
}

/** A seed was typed by hand: by its next line duplicate address detection was over. */
function settled(line: string, type: () => Printed): Printed {
  for (const end = Date.now() + PATIENCE_MS; ; ) {
    const out = type()
    if (!/\bip a\b/.test(line) || !out.stdout.includes(' tentative') || Date.now() > end) return out
  }
}

/** A kernel without nf_tables for IPv4 has the older tables: iptables is those then. */
function ownTools(folder: string, at: (line: string) => boolean): void {
  const tools = join(folder, 'bin')
  mkdirSync(tools)
  const works = (name: string) => at(`${name} -t nat -N lk0 && ${name} -t nat -X lk0`)
  if (!works('iptables') && works('iptables-legacy'))
    symlinkSync('/usr/sbin/xtables-legacy-multi', join(tools, 'iptables'))
}

/** What is missing here for a line. */
function reasons(at: (line: string) => boolean): Typist['why'] {
  const has = (kind: string) =>
    at(`ip link add lk0 type veth peer name lk1 && ip link add link lk0 name lk2 type ${kind}`)
  const kinds = new Map<string, boolean>()
  for (const kind of ['vlan id 5', 'ipvlan']) {
    kinds.set(kind, has(kind))
    at('ip link del lk0')
  }
  const noDocker = dockerMissing()
  return (line) => {
    if (/^docker\b/.test(line) && noDocker !== undefined) return noDocker
    if (/^(?:lsmod|modprobe)\b/.test(line)) return moduleReason(line)
    if (/\b(?:vconfig|enp0s3\.[12]00|parent=\w+\.\d)/.test(line) && kinds.get('vlan id 5') !== true)
      return 'this kernel has no 8021q'
    if (/-d ipvlan/.test(line) && kinds.get('ipvlan') !== true) return 'this kernel has no ipvlan'
    return /\bvconfig\b/.test(line) && !at('command -v vconfig')
      ? 'vconfig is not installed (Debian: vlan)'
      : undefined
  }
}

function moduleReason(line: string): string | undefined {
  const name = /\b(macvlan|8021q)\b/.exec(line)?.[1] ?? ''
  const found = spawnSync('sh', ['-c', `lsmod | grep -q '^${name} '`])
  return found.status === 0
    ? undefined
    : `module ${name} is built in or not here: lsmod does not list it`
}
