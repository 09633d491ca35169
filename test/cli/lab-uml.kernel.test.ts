/**
 * Labs that live in User Mode Linux, as an ordinary user has them: each subcommand, what comes back
 * from it, what goes wrong, and that nothing is left.
 */
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { umlMissing } from '../../src/kernel/uml-boot.ts'
import { withGuestSlot } from '../support/guest-slot.ts'
import {
  buildProgram,
  type Ended,
  programWords,
  removeProgram,
  ROOT,
  startProgram,
  UNPRIVILEGED,
} from '../support/program.ts'
import { Terminal, terminalEnv, terminalIsThere } from '../support/terminal.ts'

const missing = umlMissing()
const reason = missing === undefined ? '' : ` (skipped: ${missing})`
/** It may wait for its turn, and for a busy machine. */
const LONG_MS = 1_500_000

const SMALL = `lab: small
switches: {sw: {ports: {p0: trunk 100, p1: access 100}}}
hosts:
  h: {nics: {eth0: sw:p0}}
  x: {nics: {eth0: {to: sw:p1, addr: 10.1.0.1/24}}}
networks:
  lan: {driver: ipvlan, parent: eth0.100, subnet: 10.1.0.0/24, hosts: h}
containers:
  a: {host: h, net: lan=10.1.0.8}
expect: [a <-> x ok ttl 64]
`

describe.skipIf(missing !== undefined)(`lanyard lab up --fabric uml${reason}`, () => {
  let folder: string
  let small: string
  let env: Record<string, string>

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'lanyard-labuml-'))
    small = join(folder, 'small.yaml')
    writeFileSync(small, SMALL)
    env = { XDG_STATE_HOME: join(folder, 'state'), LANYARD_LAB: '', NO_COLOR: '1' }
    await buildProgram()
  })
  afterEach(async () => {
    await lab('down', '--all')
    expect(left()).toEqual([])
  })
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
    removeProgram()
  })

  const start = (...args: readonly string[]) => startProgram(['lab', ...args], env, UNPRIVILEGED)
  const lab = (...args: readonly string[]): Promise<Ended> => start(...args).ended
  const at = (node: string, line: string) => lab('exec', node, '--', line)
  /** With an input. */
  const feed = (input: string | Buffer, ...args: readonly string[]): string => {
    const [program = '', ...words] = programWords('lab', ...args)
    const options = { input, cwd: ROOT, env: { ...process.env, ...env }, encoding: 'utf8' } as const
    return execFileSync(program, words, options)
  }
  const labs = (): string => join(folder, 'state/lanyard/labs')
  /** What is there of labs in the state folder, and of processes. */
  const left = (): string[] => [
    ...(existsSync(labs()) ? readdirSync(labs()) : []),
    ...readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && isOfGuest(pid)),
  ]
  const isOfGuest = (pid: string): boolean => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`).startsWith(labs())
    } catch {
      return false
    }
  }
  const guestPid = async (): Promise<number> => {
    const { stdout } = await lab('status', '--json')
    return (JSON.parse(stdout) as [{ guest: { pid: number; running: boolean } }])[0].guest.pid
  }

  test(
    'VLANs, macvlan and ipvlan: every subcommand, with input, output, status and signals',
    () => withGuestSlot(subcommands),
    LONG_MS,
  )

  async function subcommands(): Promise<void> {
    expect(await lab('up', 'examples/seed-003', '--fabric', 'uml', '-q')).toEqual({
      ...{ status: 0, stdout: '', stderr: '' },
    })
    expect((await lab('status')).stdout).toMatch(/\nseed-003 +in User Mode Linux, process \d+ +18/)
    const kernel = (await at('n2', 'uname -r')).stdout
    expect(kernel).toMatch(/^6\.1\./)
    expect(kernel).not.toBe(execFileSync('uname', ['-r'], { encoding: 'utf8' }))
    expect((await at('i210a', 'ip -br addr show eth0')).stdout).toContain('192.168.210.10/24')
    expect((await at('n2', 'ip -d link show eth0.50')).stdout).toContain(
      'vlan protocol 802.1Q id 50',
    )
    expect((await at('v50a', 'ip -6 addr')).stdout).not.toContain('tentative')
    // Output and errors apart, the status of the command, words as they are.
    expect(await at('gw', 'echo out; echo "err  or" >&2; exit 7')).toEqual({
      ...{ status: 7, stdout: 'out\n', stderr: 'err  or\n' },
    })
    expect((await at('gw', 'kill -9 $$')).status).toBe(130)
    expect((await lab('exec', 'gw', '--', 'printf', '%s|', 'a b', "c'd")).stdout).toBe("a b|c'd|")
    expect((await at('gw', 'ip netns add one && ip netns list')).stdout).toBe('one\n')
    expect((await at('n2', 'ip netns list')).stdout).toBe('')
    expect((await lab('exec', 'nope', '--', 'true')).stderr).toContain('there is no node "nope"')
    // More than lies in the folder at a time, both ways, byte for byte.
    const bytes = Buffer.alloc(5_000_000, 'lanyard\0\xff\n', 'latin1')
    expect(feed(bytes, 'exec', 'gw', '--', 'tee /dev/stderr 2>/dev/null | md5sum')).toBe(
      execFileSync('md5sum', { input: bytes, encoding: 'utf8' }),
    )
    expect(feed('', 'exec', 'gw', '--', 'cat')).toBe('')
    expect((await at('gw', 'head -c 5000000 /dev/zero | tr "\\0" x')).stdout).toHaveLength(
      5_000_000,
    )
    // What is left in the background does not hold the command up.
    const background = (await at('gw', 'sleep 1000 & echo $!')).stdout.trim()
    expect((await at('gw', `kill ${background} && echo gone`)).stdout).toBe('gone\n')
    await interrupts()
    // Two at once.
    const both = await Promise.all(['b1', 'b2'].map((node) => at(node, `sleep 1; echo ${node}`)))
    expect(both.map(({ stdout }) => stdout)).toEqual(['b1\n', 'b2\n'])
    expect((await lab('test')).stdout).toMatch(/\n15 met, 0 missed\n$/)
    await capture()
    expect((await lab('back', '1')).stderr).toContain(
      'lab seed-003 is in User Mode Linux: only a simulated lab can go back',
    )
    expect((await lab('up', 'examples/seed-003', '--fabric', 'uml')).stderr).toContain(
      'lab seed-003 is up already (in User Mode Linux)',
    )
    // Another beside it.
    expect((await lab('up', small, '--fabric', 'uml', '-q')).status).toBe(0)
    expect((await lab('matrix', 'small')).stdout).toBe('      x   a\n  x   ·  64\n  a  64   ·\n')
    expect((await lab('exec', '--lab', 'seed-003', 'gw', '--', 'hostname -I')).status).toBe(0)
    expect((await lab('down', 'small')).stdout).toBe(
      'removed lab small and its kernel in User Mode Linux\n',
    )
    expect((await lab('down')).stdout).toContain('removed lab seed-003')
  }

  /** Signals reach what runs there, and who is killed here leaves nothing there. */
  async function interrupts(): Promise<void> {
    const ping = start('exec', 'b1', '--', 'ping', '-i', '0.2', '192.168.14.12')
    await said(ping.child, /icmp_seq=2/)
    ping.child.kill('SIGINT')
    // As at a terminal: the shell that waits for it ends by it, when it has said its last words.
    expect(await ping.ended).toMatchObject({ status: 130, stderr: '' })
    expect((await ping.ended).stdout).toContain(' 0% packet loss')
    const killed = start('exec', 'b1', '--', 'echo here; exec sleep 4321')
    await said(killed.child, /here/)
    killed.child.kill('SIGKILL')
    await killed.ended
    await at('b1', 'true')
    await vi.waitUntil(async () => (await at('b1', 'pgrep -f "[s]leep 4321"')).stdout === '', {
      timeout: 60_000,
    })
  }

  async function capture(): Promise<void> {
    const file = join(folder, 'n2.pcapng')
    const tap = start('capture', 'n2:eth0', '-w', file)
    await said(tap.child, /capturing/, 'stderr')
    await at('b1', 'ping -c1 192.168.14.2')
    tap.child.kill('SIGINT')
    const { status, stdout } = await tap.ended
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^\d+ frames in .*n2\.pcapng\n$/)])
    expect(statSync(file).size).toBeGreaterThan(300)
    expect(readFileSync(file).readUInt32LE(0)).toBe(0x0a0d0d0a)
    // Whoever reads has read enough: so a capture ends, and any command.
    const head = [...UNPRIVILEGED, 'sh', '-c', '"$@" | head -c 4 | od -An -tx1', 'sh']
    const tapped = await startProgram(['lab', 'capture', '-w', '-'], env, head).ended
    expect(tapped).toEqual({
      ...{ status: 0, stdout: ' 0a 0d 0d 0a\n', stderr: 'capturing; Ctrl-C ends it\n' },
    })
    const yes = await startProgram(['lab', 'exec', 'gw', '--', 'yes'], env, head).ended
    expect(yes).toEqual({ status: 0, stdout: ' 79 0a 79 0a\n', stderr: '' })
  }

  function said(
    child: ReturnType<typeof start>['child'],
    text: RegExp,
    stream: 'stdout' | 'stderr' = 'stdout',
  ): Promise<void> {
    let all = ''
    return new Promise((resolve, reject) => {
      child[stream]?.on('data', (part: string) => {
        all += part
        if (text.test(all)) resolve()
      })
      child.on('close', () => reject(new Error(`it ended, and said: ${all}`)))
    })
  }

  test(
    'a guest that ends is told, with what mends it, and down takes away what is left',
    () =>
      withGuestSlot(async () => {
        // A descriptor of the caller's, which must not stay open for as long as the guest.
        const held = ['sh', '-c', 'exec 9<"$0"; exec "$@"', small, ...UNPRIVILEGED]
        const up = ['lab', 'up', small, '--fabric', 'uml', '-q']
        expect((await startProgram(up, env, held).ended).status).toBe(0)
        const pid = await guestPid()
        const open = readdirSync(`/proc/${pid}/fd`).map((fd) =>
          readlinkSync(`/proc/${pid}/fd/${fd}`),
        )
        expect(open).not.toContain(small)
        const waiting = start('exec', 'a', '--', 'echo here; sleep 1000')
        await said(waiting.child, /here/)
        process.kill(pid, 'SIGKILL')
        const gone = `lanyard: lab small is no more: its kernel in User Mode Linux (process ${pid}) has ended`
        for (const told of [await waiting.ended, await at('a', 'true'), await lab('matrix')]) {
          expect([told.status, told.stderr.startsWith(gone)]).toEqual([2, true])
          expect(told.stderr).toContain(
            '\nmend: "lanyard lab down small" takes away what is left, ',
          )
          expect(told.stderr.split('\n')).toHaveLength(3)
        }
        expect((await lab('up', small, '--fabric', 'uml')).stderr).toContain('is no more')
        expect((await lab('status')).stdout).toContain('in User Mode Linux, which has ended')
        expect((await lab('down')).stdout).toBe(
          'removed lab small: its kernel in User Mode Linux had ended before\n',
        )
        expect(left()).toEqual([])
        await namesakes()
        const panic = await at('a', 'echo c > /run/guest/proc/sysrq-trigger')
        expect(panic.stderr).toMatch(/has ended; it last said: Kernel panic - not syncing: .*\n/)
      }),
    LONG_MS,
  )

  /** Two of a name made at once; a number that is another process's by now; another boot. */
  async function namesakes(): Promise<void> {
    const two = await Promise.all([1, 2].map(() => lab('up', small, '--fabric', 'uml', '-q')))
    expect(two.map(({ status }) => `${status}`).toSorted()).toEqual(['0', '2'])
    expect(two.map(({ stderr }) => stderr).join('')).toContain('lab small is up already')
    expect(readdirSync(labs())).toHaveLength(2)
    const file = join(labs(), 'small/info.json')
    const text = readFileSync(file, 'utf8')
    const pid = await guestPid()
    writeFileSync(file, text.replace(`${pid}`, `${process.pid}`))
    expect((await at('a', 'true')).stderr).toContain('has ended')
    writeFileSync(file, text.replace(/"boot": ?"[^"]*"/, '"boot":"another"'))
    expect((await at('a', 'true')).stderr).toContain('this machine has booted since')
    writeFileSync(file, text)
    expect(await at('a', 'true')).toMatchObject({ status: 0, stderr: '' })
  }

  test(
    'one that cannot be made, is stopped or killed on its way leaves nothing',
    () =>
      withGuestSlot(async () => {
        const bad = join(folder, 'bad.yaml')
        writeFileSync(bad, SMALL.replace('1/24}}}', '1/24}}, run: ip link set nope up}'))
        expect(await lab('up', bad, '--fabric', 'uml')).toEqual({
          ...{ status: 2, stdout: '' },
          stderr: `lanyard: ${bad}:5: "ip link set nope up" on x ended with status 1: Cannot find device "nope"\n`,
        })
        expect(left()).toEqual([])
        const booting = async () => {
          const up = start('up', small, '--fabric', 'uml')
          await vi.waitUntil(() => left().some((name) => /^\d+$/.test(name)), { timeout: 60_000 })
          return up
        }
        const stopped = await booting()
        stopped.child.kill('SIGINT')
        expect(await stopped.ended).toMatchObject({
          status: 130,
          stderr: 'lanyard: lab small was stopped\n',
        })
        expect(left()).toEqual([])
        const killed = await booting()
        killed.child.kill('SIGKILL')
        await killed.ended
        expect((await lab('status')).stdout).toBe('no lab is up\n')
        expect((await lab('down', 'small')).stdout).toBe(
          'removed what a killed "lanyard lab up" left of lab small\n',
        )
        expect(left()).toEqual([])
      }),
    LONG_MS,
  )

  test.skipIf(!terminalIsThere())(
    'at a terminal: a prompt, its size, Ctrl-C and Ctrl-D are those of the guest',
    () =>
      withGuestSlot(async () => {
        const own = mkdtempSync(join(folder, 'terminal-'))
        const terminal = new Terminal(terminalEnv(own))
        try {
          await terminal.until()
          await terminal.type('stty rows 33\n')
          await terminal.type(`lanyard lab up ${small} --fabric uml -q\n`)
          terminal.press('lanyard lab exec a -- ping -i 0.2 10.1.0.1\n')
          await terminal.until(/icmp_seq=3 .*\n$/)
          expect(await terminal.type('\u0003')).toContain(' 0% packet loss')
          const prompt = /\n\[root@a ~\]# $/
          await terminal.type('lanyard lab shell a\n', /\[root@a ~\]# $/)
          expect(await terminal.type('tty; stty size; uname -r\n', prompt)).toMatch(
            /\/dev\/pts\/\d+\n33 100\n6\.1\./,
          )
          terminal.press('ping 10.1.0.1\n')
          await terminal.until(/icmp_seq=2 .*\n$/)
          expect(await terminal.type('\u0003', prompt)).toContain(' 0% packet loss')
          await terminal.type('sleep 500 &\n', prompt)
          expect(await terminal.type('jobs\n', prompt)).toMatch(/Running +sleep 500/)
          await terminal.type('(exit 5)\n', prompt)
          await terminal.type('\u0004')
          expect(await terminal.type('echo status $?\n')).toContain('status 5')
          expect(await terminal.type('stty -a\n')).toMatch(/\nisig icanon .* echo /s)
          expect(await terminal.type('lanyard lab down\n')).toContain('removed lab small')
        } finally {
          terminal.close()
          await startProgram(['lab', 'down', '--all'], { XDG_STATE_HOME: join(own, 'state') }).ended
        }
      }),
    LONG_MS,
  )
})
