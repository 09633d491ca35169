/** Labs that live on the real kernel: the machine's own tools, nothing outside, nothing left. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { describeKernel } from '../describe-kernel.ts'
import { buildProgram, type Ended, removeProgram, startProgram } from '../support/program.ts'
import { Terminal, terminalEnv, terminalIsThere } from '../support/terminal.ts'

const LAB = `lab: livek-test
switches: {sw: {ports: {p0: {}, p1: {}}}}
hosts:
  h: {nics: {eth0: {to: sw:p0, addr: 10.67.0.1/24}}, run: ip link set lo up}
  x: {nics: {eth0: {to: sw:p1, addr: 10.67.0.2/24}}}
expect: ["h <-> x ok ttl 64"]
`

describeKernel('lanyard lab up --fabric kernel', () => {
  let folder: string
  let file: string

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'livek-'))
    file = join(folder, 'lab.yaml')
    writeFileSync(file, LAB)
    await buildProgram()
  })
  afterEach(async () => {
    if (existsSync('/run/lanyard/labs/livek-test.json')) await lab('down', 'livek-test')
  })
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
    removeProgram()
  })

  const lab = (...args: readonly string[]): Promise<Ended> =>
    startProgram(['lab', ...args], { XDG_STATE_HOME: folder, LANYARD_LAB: '', NO_COLOR: '1' }).ended
  const at = (node: string, line: string) => lab('exec', node, '--', line)
  const spaces = (): string[] =>
    readdirSync('/run/netns').filter((name) => !name.startsWith('lanyard-conf'))

  test('stays, runs real tools at its nodes, and is gone without a trace', async () => {
    const before = existsSync('/run/netns') ? spaces() : []
    expect(await lab('up', file, '--fabric', 'kernel', '-q')).toMatchObject({
      status: 0,
      stdout: '',
      stderr: '',
    })
    const made = await at('h', 'ip netns add ns1 && ip link add link eth0 m0 type macvlan')
    expect([made.status, made.stderr]).toEqual([0, ''])
    await at('h', 'ip link set m0 netns ns1')
    expect((await at('h', 'ip netns list')).stdout).toMatch(/^ns1( \(id: \d+\))?\n$/)
    expect((await at('x', 'ip netns list')).stdout).toBe('')
    expect(spaces()).not.toContain('ns1')
    expect((await at('h', 'ip netns exec ns1 ip -br link')).stdout).toMatch(/^lo .*\nm0@if2 /)
    expect((await at('sw', 'ls /sys/class/net')).stdout).toMatch(/br0\s+lo\s+p0\s+p1/)
    expect((await at('h', 'ping -c1 -W2 10.67.0.2 | grep -c ttl=64')).stdout).toBe('1\n')
    expect((await at('h', 'exit 7')).status).toBe(7)
    expect((await lab('test')).stdout).toContain('1 met, 0 missed')
    expect((await lab('up', file, '--fabric', 'kernel')).stderr).toContain('is up already')
    expect((await lab('back', '1')).stderr).toContain('only a simulated lab can go back')
    expect((await lab('down')).stdout).toBe('removed lab livek-test: 3 namespaces\n')
    expect(spaces()).toEqual(before)
    expect(existsSync('/run/lanyard/live/livek-test')).toBe(false)
  })

  test('is up while addresses are still looked up for duplicates, and nobody sees that', async () => {
    const plain = join(folder, 'plain.yaml')
    writeFileSync(plain, LAB.replace(', run: ip link set lo up', ''))
    const note = '/run/lanyard/live/livek-test/settling'
    expect((await lab('up', plain, '--fabric', 'kernel', '-q')).stderr).toBe('')
    expect(existsSync(note)).toBe(true)
    const { stdout } = await at('h', 'ip -6 addr show dev eth0')
    expect(stdout).toMatch(/inet6 fe80::/)
    expect(stdout).not.toContain('tentative')
    expect(existsSync(note)).toBe(false)
    // What somebody adds from here on is theirs to wait for.
    const added = await at('h', 'ip addr add fd00::1/64 dev eth0; ip -6 addr show dev eth0')
    expect(added.stdout).toMatch(/fd00::1\/64 scope global tentative/)
  })

  test('a capture ends by itself when nobody reads it any more', async () => {
    await lab('up', file, '--fabric', 'kernel', '-q')
    const head = ['sh', '-c', '"$@" | head -c 4 | od -An -tx1', 'sh']
    const env = { XDG_STATE_HOME: folder, LANYARD_LAB: '', NO_COLOR: '1' }
    const { stdout, stderr } = await startProgram(['lab', 'capture', '-w', '-'], env, head).ended
    expect(stdout).toBe(' 0a 0d 0d 0a\n')
    expect(stderr).toBe('capturing; Ctrl-C ends it\n')
  })

  test('that cannot be made leaves nothing', async () => {
    const bad = join(folder, 'bad.yaml')
    writeFileSync(bad, LAB.replace('ip link set lo up', 'ip link set nope up'))
    const { status, stderr } = await lab('up', bad, '--fabric', 'kernel')
    expect(status).toBe(2)
    expect(stderr).toContain('"ip link set nope up" on h ended with status 1: Cannot find device')
    expect(spaces().filter((name) => name.includes('livek-test'))).toEqual([])
    expect(existsSync('/run/lanyard/live/livek-test')).toBe(false)
    expect((await lab('status')).stdout).toBe('no lab is up\n')
  })

  /** Of a lab that is long in the making: when it has its mounts, and runs a line. */
  const making = async () => {
    const slow = join(folder, 'slow.yaml')
    writeFileSync(slow, LAB.replace('ip link set lo up', 'sleep 2'))
    const env = { XDG_STATE_HOME: folder, LANYARD_LAB: '', NO_COLOR: '1' }
    const up = startProgram(['lab', 'up', slow, '--fabric', 'kernel', '-q'], env)
    const mounts = '/run/lanyard/live/livek-test'
    await vi.waitUntil(() => existsSync(join(mounts, 'sw.mnt')), { timeout: 60_000 })
    return up
  }

  test('stopped in the middle takes back what there is', async () => {
    const up = await making()
    up.child.kill('SIGINT')
    expect(await up.ended).toMatchObject({
      status: 130,
      stderr: 'lanyard: lab livek-test was stopped\n',
    })
    expect(spaces().filter((name) => name.includes('livek-test'))).toEqual([])
    expect(existsSync('/run/lanyard/live/livek-test')).toBe(false)
  }, 90_000)

  test('killed in the middle is in the way of none, and down removes what it left', async () => {
    for (const next of ['up', 'down']) {
      const killed = await making()
      killed.child.kill('SIGKILL')
      await killed.ended
      expect(spaces().filter((name) => name.includes('livek-test'))).toHaveLength(3)
      if (next === 'up') {
        const again = await lab('up', file, '--fabric', 'kernel', '-q')
        expect([again.status, again.stderr]).toEqual([0, ''])
        expect((await lab('test')).stdout).toContain('1 met, 0 missed')
      }
      expect((await lab('down', 'livek-test')).stdout).toContain('removed lab livek-test')
      expect(spaces().filter((name) => name.includes('livek-test'))).toEqual([])
      expect(existsSync('/run/lanyard/live/livek-test')).toBe(false)
    }
  }, 90_000)

  test.skipIf(!terminalIsThere())(
    "Ctrl-C is the command's own, and the lab stays",
    async () => {
      const terminal = new Terminal(terminalEnv(folder))
      try {
        await terminal.until()
        await terminal.type(`lanyard lab up ${file} --fabric kernel -q\n`)
        terminal.press('lanyard lab exec h -- ping 10.67.0.2\n')
        await terminal.until(/icmp_seq=2 .*\n$/)
        expect(await terminal.type('\u0003')).toContain('0% packet loss')
        await terminal.type('lanyard lab shell h\n')
        terminal.press('ping 10.67.0.2\n')
        await terminal.until(/icmp_seq=2 .*\n$/)
        const prompt = /\n\[root@h ~\]# $/
        expect(await terminal.type('\u0003', prompt)).toContain('0% packet loss')
        await terminal.type('exit\n')
        const down = await terminal.type('lanyard lab down livek-test\n')
        expect(down).toContain('removed lab livek-test: 3 namespaces')
      } finally {
        terminal.close()
      }
    },
    120_000,
  )
})
