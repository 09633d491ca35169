/** Labs that live, as a user types them: state, turns, damage, a terminal. */
import { spawn, spawnSync } from 'node:child_process'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  buildProgram,
  type Ended,
  programWords,
  removeProgram,
  startProgram,
} from '../support/program.ts'

const LAB = `lab: living
switches: {sw: {ports: {p0: {}, p1: {}}}}
hosts:
  h: {nics: {eth0: {to: sw:p0, addr: 10.66.0.1/24}}}
  x: {nics: {eth0: {to: sw:p1, addr: 10.66.0.2/24}}}
expect: ["h <-> x ok ttl 64"]
`
let folder: string
let file: string
let env: Record<string, string>

beforeAll(buildProgram)
afterAll(removeProgram)
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lanyard-live-'))
  file = join(folder, 'lab.yaml')
  writeFileSync(file, LAB)
  env = { XDG_STATE_HOME: folder, LANYARD_LAB: '', NO_COLOR: '1' }
  return () => rmSync(folder, { recursive: true, force: true })
})

const lab = (...args: readonly string[]): Promise<Ended> =>
  startProgram(['lab', ...args], env).ended
const at = (node: string, ...line: readonly string[]) => lab('exec', node, '--', ...line)
/** Many processes one after another, each as slow as a busy machine has it. */
const slow = (name: string, run: () => Promise<void>): void => test(name, run, 300_000)
const journal = (name = 'living') => join(folder, 'lanyard', 'labs', name, 'journal')

slow('up, exec, matrix, test, status, down', async () => {
  expect((await lab('up', file)).stdout).toContain('up: 3 nodes, simulated')
  const made =
    'ip netns add ns1 && ip link add link eth0 name m0 type macvlan mode bridge && ' +
    'ip link set m0 netns ns1 && ip -n ns1 addr add 10.66.0.3/24 dev m0'
  expect((await at('h', made)).status).toBe(0)
  expect((await at('h', 'ip -n ns1 link set m0 up')).status).toBe(0)
  const ping = await at('h', 'ip netns exec ns1 ping -c1 10.66.0.2 | grep ttl')
  expect(ping).toMatchObject({ status: 0, stderr: '' })
  expect(ping.stdout).toMatch(/^64 bytes from 10\.66\.0\.2: icmp_seq=1 ttl=64 time=.* ms\n$/)
  expect((await lab('matrix')).stdout.split('\n').slice(0, 4)).toEqual([
    '        h   x  ns1',
    '  h     ·  64   ✗a',
    '  x    64   ·   64',
    '  ns1  ✗a  64    ·',
  ])
  expect(await lab('test')).toMatchObject({ status: 0, stderr: '' })
  expect((await lab('status')).stdout).toMatch(/^living\s+simulated\s+3\s+3\s+\S+lab\.yaml$/m)
  expect((await lab('down')).stdout).toContain('removed lab living\n')
  const gone = await at('h', 'ip link')
  expect(gone).toMatchObject({ status: 2, stdout: '' })
  expect(gone.stderr).toMatch(/^lanyard: no lab is up\nmend: /)
})

slow("words are as they are, and the status is the command's", async () => {
  await lab('up', file)
  expect(await at('h', 'echo', 'a  b', "it's", '|', 'wc')).toMatchObject({
    status: 0,
    stdout: "a  b it's | wc\n",
  })
  expect(await at('h', 'ip', 'link', 'set', 'nope', 'up')).toMatchObject({
    status: 1,
    stderr: 'Cannot find device "nope"\n',
  })
  expect(await at('h', 'ipp link')).toMatchObject({
    status: 127,
    stderr: 'lanyard: command ipp is not part of this shell yet; nearest: ip\n',
  })
})

slow('goes back by number and by name, and says what it takes back', async () => {
  await lab('up', file)
  await at('h', 'ip link set eth0 mtu 1400')
  await lab('save', 'small')
  await at('h', 'ip link set eth0 mtu 1300')
  await at('x', 'ip link set eth0 down')
  expect(await lab('back', '1')).toMatchObject({
    status: 0,
    stdout: '1 command taken back, 2 commands left\n  x# ip link set eth0 down\n',
  })
  expect((await at('h', 'ip link show eth0')).stdout).toContain('mtu 1300')
  expect((await lab('back', 'small')).stdout).toContain('  h# ip link set eth0 mtu 1300\n')
  expect((await at('h', 'ip link show eth0')).stdout).toContain('mtu 1400')
  expect((await lab('back', '7')).stderr).toContain('has only 1 command to take back, not 7')
  expect((await lab('back', 'smal')).stderr).toContain('no save point "smal" (did you mean "small"')
})

slow('explain --fix makes the remedy in the lab, where it can be taken back', async () => {
  await lab('up', file)
  for (const n of [3, 4]) {
    const made =
      `ip netns add ns${n} && ip link add link eth0 name m${n} type macvlan mode private && ` +
      `ip link set m${n} netns ns${n} && ip -n ns${n} addr add 10.66.0.${n}/24 dev m${n} && ` +
      `ip -n ns${n} link set m${n} up`
    expect((await at('h', made)).status).toBe(0)
  }
  const ping = async () =>
    (await at('h', 'ip netns exec ns3 ping -c1 10.66.0.4 > /dev/null')).status
  expect(await ping()).toBe(1)
  const explain = (...more: readonly string[]) =>
    startProgram(['explain', 'ns3', 'ns4', ...more], env).ended
  const said = (await explain()).stdout
  const number = /fix (\d) both ns3 and ns4 in mode bridge/.exec(said)?.[1] ?? ''
  expect((await explain('--fix', '99')).stderr).toContain('there is no remedy 99')
  const fixed = await explain('--fix', number)
  expect(fixed).toMatchObject({ status: 0, stderr: '' })
  expect(fixed.stdout).toContain('done in lab living: "lanyard lab back 1" takes it back\n')
  expect(await ping()).toBe(0)
  expect((await explain()).status).toBe(0)
  const status = (await lab('status', 'living')).stdout
  expect(status).toContain(`ns3# explain ns3 ns4 --fix ${number}`)
  await lab('back', '2')
  expect(await ping()).toBe(1)
})

slow('two labs live side by side, and one must be named', async () => {
  await lab('up', file)
  await lab('up', file, '--name', 'other')
  await lab('exec', '--lab', 'other', 'h', '--', 'ip link set eth0 down')
  const which = await at('h', 'ip link')
  expect(which.stderr).toContain('2 labs are up: say which one, --lab living|other')
  const shown = async (name: string) =>
    (await lab('exec', '--lab', name, 'h', 'ip', '-br', 'link', 'show', 'eth0')).stdout
  expect([await shown('living'), await shown('other')]).toEqual([
    expect.stringContaining('UP'),
    expect.stringContaining('DOWN'),
  ])
  expect((await lab('up', file)).stderr).toContain('lab living is up already (simulated)')
  expect((await lab('down', '--all')).stdout).toContain('removed lab living\nremoved lab other\n')
})

slow('many processes on one lab take turns, and none is lost', async () => {
  await lab('up', file)
  const names = Array.from({ length: 6 }, (_, n) => `ns${n}`)
  const all = await Promise.all(names.map((name) => at('h', `ip netns add ${name}`)))
  expect(all.map((e) => [e.status, e.stderr])).toEqual(names.map(() => [0, '']))
  expect((await at('h', 'ip netns | sort')).stdout).toBe(names.map((n) => `${n}\n`).join(''))
})

slow('a torn journal is cut and said, once', async () => {
  await lab('up', file)
  await at('h', 'ip link set eth0 mtu 1400')
  const whole = readFileSync(journal(), 'utf8')
  appendFileSync(journal(), whole.slice(0, 40))
  const { stdout, stderr } = await at('h', 'ip link show eth0')
  expect(stdout).toContain('mtu 1400')
  expect(stderr).toBe(
    'lanyard: the journal of lab living ended in the middle of a record, which was cut off: ' +
      '1 command is left\n',
  )
  expect(readFileSync(journal(), 'utf8')).toBe(whole)
  expect((await at('h', 'ip link')).stderr).toBe('')
  writeFileSync(journal(), `{"nod\n${whole}`)
  expect((await at('h', 'ip link')).stderr).toMatch(
    /record 1 is damaged.*\nmend: "lanyard lab down/,
  )
  expect((await lab('down')).status).toBe(0)
})

slow('a file changed under a lab is noticed, and the lab is as it was', async () => {
  await lab('up', file)
  writeFileSync(file, LAB.replace('10.66.0.1', '10.66.0.9'))
  const { stdout, stderr } = await at('h', 'ip -4 -br addr show eth0')
  expect(stdout).toContain('10.66.0.1/24')
  expect(stderr).toContain(
    'lab.yaml has changed since lab living was made, and the lab is as it was',
  )
  expect((await lab('status')).stdout).toContain('(changed)')
})

slow('capture plays the last command again, with the reason where a frame ended', async () => {
  await lab('up', file)
  await at('h', 'ip link set eth0 down')
  await at('h', 'ip link set eth0 up')
  await at('h', 'ping -c1 10.66.0.2')
  const out = join(folder, 'x.pcapng')
  const captured = await lab('capture', 'h:eth0', 'x:eth0', '-w', out, '--last', '1')
  expect(captured.stdout).toMatch(/^\d+ frames in /)
  const bytes = readFileSync(out)
  expect([bytes.readUInt32BE(0), bytes.includes('h/eth0'), bytes.includes('sw/p0')]).toEqual([
    0x0a0d0d0a,
    true,
    false,
  ])
  expect((await lab('capture', 'h:eth1', '-w', out)).stderr).toContain('there is no link h:eth1')
})

slow('a script of lines on standard input runs line by line', async () => {
  await lab('up', file)
  const [node = '', ...words] = programWords('lab', 'shell', 'h')
  const lines = 'ip netns add \\\nns1\n# a comment\nip netns\nfalse\n'
  const out = spawnSync(node, words, { env: { ...process.env, ...env }, input: lines })
  expect([out.status, String(out.stdout), String(out.stderr)]).toEqual([1, 'ns1\n', ''])
})

const hasScript = spawnSync('script', ['--version']).status === 0
if (!hasScript && process.env['CI'] === 'true') throw new Error('must not be skipped: no script(1)')

test.skipIf(!hasScript)(
  'at a terminal: prompt, Tab, Ctrl-C, history',
  async () => {
    await lab('up', file)
    const command = programWords('lab', 'shell', 'h').join(' ')
    const child = spawn('script', ['-qec', command, '/dev/null'], {
      env: { ...process.env, ...env, TERM: 'xterm' },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    let seen = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (seen += text))
    const until = async (text: string): Promise<void> => {
      while (!seen.includes(text)) {
        if (child.exitCode !== null) throw new Error(`the shell ended without ${text}: ${seen}`)
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      seen = seen.slice(seen.indexOf(text) + text.length)
    }
    await until('[root@h ~]# ')
    child.stdin.write('ip netns ad\t')
    await until('ip netns add ')
    child.stdin.write('ns7\r')
    await until('[root@h ~]# ')
    child.stdin.write('ip netns add ns8')
    await until('ns8')
    child.stdin.write('\u0003')
    await until('^C')
    await until('[root@h ~]# ')
    child.stdin.write('ip netns\r')
    await until('ns7\r\n')
    child.stdin.write('\u0004')
    const status = await new Promise((resolve) => child.on('close', resolve))
    expect(status).toBe(0)
    expect((await at('h', 'ip netns')).stdout).toBe('ns7\n')
    const history = readFileSync(join(folder, 'lanyard', 'labs', 'living', 'history'), 'utf8')
    expect(history).toBe('ip netns\nip netns add ns7\n')
  },
  300_000,
)
