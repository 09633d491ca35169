/** A transcript on this kernel, in a lab of the program itself: real namespaces, real tools. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Typist } from './play.ts'

/** Longer than any line of a seed takes: a busy machine may take its time. */
const PATIENCE_MS = 120_000

/** @param program the command line that is `lanyard` */
export async function openKernel(lab: string, program: readonly string[]): Promise<Typist> {
  const folder = mkdtempSync(join(tmpdir(), 'lanyard-seeds-'))
  const file = join(folder, 'lab.yaml')
  writeFileSync(file, lab)
  const env = { ...process.env, XDG_STATE_HOME: folder, LANYARD_LAB: '', NO_COLOR: '1' }
  const run = (...words: readonly string[]) => {
    const [command = '', ...args] = [...program, 'lab', ...words]
    const { status, stdout, stderr } = spawnSync(command, args, {
      encoding: 'utf8',
      env,
      timeout: PATIENCE_MS,
    })
    return { code: status ?? 1, stdout, stderr }
  }
  const name = /^lab: (.*)$/m.exec(lab)?.[1] ?? ''
  const up = run('up', file, '--fabric', 'kernel', '-q')
  const close = async (): Promise<void> => {
    run('down', name)
    rmSync(folder, { recursive: true, force: true })
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
  const vlan = vlanIsThere(run, first)
  return {
    type: async (node, line) => {
      // A seed was typed by hand: by its next line duplicate address detection was over.
      for (const end = Date.now() + PATIENCE_MS; ; ) {
        const out = run('exec', node, '--', line)
        const moving = /\bip a\b/.test(line) && out.stdout.includes(' tentative')
        if (!moving || Date.now() > end) return out
      }
    },
    why: (line, isInside) => {
      if (isInside || /^docker\b/.test(line)) return 'a kernel lab has no dockerd at its nodes'
      if (/^(?:lsmod|modprobe)\b/.test(line)) return moduleReason(line)
      if (line.includes('/etc/hosts')) return 'nobody on the kernel asks for the name'
      const needsVlan = /\b(?:vconfig|enp0s3\.[12]00|ens19\.)/.test(line)
      if (needsVlan && !vlan) return 'this kernel has no 8021q'
      return /\bvconfig\b/.test(line) && !has(run, first, 'vconfig')
        ? 'vconfig is not installed'
        : undefined
    },
    close,
  }
}

type Run = (...words: readonly string[]) => { readonly code: number }

function vlanIsThere(run: Run, node: string): boolean {
  const line =
    'ip link add lk0 type veth peer name lk1 && ip link add link lk0 name lk.5 type vlan id 5'
  const { code } = run('exec', node, '--', line)
  run('exec', node, '--', 'ip link del lk0')
  return code === 0
}

function has(run: Run, node: string, tool: string): boolean {
  return run('exec', node, '--', `command -v ${tool}`).code === 0
}

function moduleReason(line: string): string | undefined {
  const name = /\b(macvlan|8021q)\b/.exec(line)?.[1] ?? ''
  const found = spawnSync('sh', ['-c', `lsmod | grep -q '^${name} '`])
  return found.status === 0
    ? undefined
    : `module ${name} is built in or not here: lsmod does not list it`
}
