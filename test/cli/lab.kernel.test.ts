/** Labs on the real kernel: the same matrices, and nothing left behind however a run ends. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { describeKernel } from '../describe-kernel.ts'
import {
  buildProgram,
  removeProgram,
  runProgram,
  startProgram,
  UNPRIVILEGED,
} from '../support/program.ts'

const LAB = `lab: labk-test
matrix: {pin: [false, true]}
switches: {sw: {ports: {p0: {hairpin: "\${pin}"}, p1: {}}}}
hosts:
  h: {nics: {eth0: {to: sw:p0, addr: 10.66.0.1/24}}}
  x: {nics: {eth0: {to: sw:p1, addr: 10.66.0.2/24}}}
networks: {lan: {driver: macvlan, parent: eth0, mode: vepa, subnet: 10.66.0.0/24, hosts: h}}
containers: {a: {host: h, net: lan}, b: {host: h, net: lan}}
expect:
  - "{a,b} <-> x ok ttl 64"
  - {if: pin, then: a <-> b ok, else: a <-> b fail}
`
const RECORD = '/run/lanyard/labs/labk-test.json'

describeKernel('lanyard lab run --fabric kernel', () => {
  let folder: string
  let file: string

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'labk-'))
    file = join(folder, 'lab.yaml')
    writeFileSync(file, LAB)
    await buildProgram()
  })
  afterEach(async () => {
    if (existsSync(RECORD)) await runProgram('lab', 'down', 'labk-test')
  })
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
    removeProgram()
  })

  /** Namespaces of the lab that are there. */
  const left = (): string[] =>
    readdirSync('/run/netns').filter((name) => name.startsWith('lanyard-labk-test-'))

  /** Starts the lab and waits until it stands. */
  async function started() {
    const run = startProgram(['lab', 'run', file, '--fabric', 'kernel'])
    while (left().length < 10) await new Promise((resolve) => setTimeout(resolve, 20))
    return run
  }

  test('measures, judges and leaves nothing', async () => {
    const { status, stdout, stderr } = await runProgram('lab', 'run', file, '--fabric', 'kernel')
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toContain('2 combinations, 4 expectations met, 0 missed (on Linux ')
    expect([left(), existsSync(RECORD)]).toEqual([[], false])
  })

  test('writes every frame to one pcapng a combination', async () => {
    await runProgram('lab', 'run', file, '--fabric', 'kernel', '--pcap', folder)
    const files = readdirSync(folder).filter((name) => name.endsWith('.pcapng'))
    expect(files.sort()).toEqual(['labk-test_pin-false.pcapng', 'labk-test_pin-true.pcapng'])
    const bytes = readFileSync(join(folder, 'labk-test_pin-true.pcapng'))
    expect(bytes.readUInt32BE(0)).toBe(0x0a0d0d0a)
    expect(bytes.includes('a/eth0')).toBe(true)
  })

  test('removes everything on Ctrl-C and ends with 130', async () => {
    const { child, ended } = await started()
    child.kill('SIGINT')
    const { status, stderr } = await ended
    expect([status, stderr]).toEqual([130, 'lanyard: lab labk-test was stopped\n'])
    expect([left(), existsSync(RECORD)]).toEqual([[], false])
  })

  test('refuses a second run of the same lab while one is on', async () => {
    const { child, ended } = await started()
    // It waits for the second one, however long that takes.
    child.kill('SIGSTOP')
    const { status, stderr } = await runProgram('lab', 'run', file, '--fabric', 'kernel')
    child.kill('SIGCONT')
    expect(status).toBe(2)
    expect(stderr).toContain(`lab labk-test is being run by process ${child.pid}`)
    expect((await ended).status).toBe(0)
  })

  test('a killed run is found and removed by the next one, or by `lab down`', async () => {
    for (const mend of [
      ['lab', 'run', file, '--fabric', 'kernel'],
      ['lab', 'down', 'labk-test'],
    ]) {
      const { child, ended } = await started()
      child.kill('SIGKILL')
      await ended
      expect(left().length).toBeGreaterThan(0)
      expect((await runProgram(...mend)).status).toBe(0)
      expect([left(), existsSync(RECORD)]).toEqual([[], false])
    }
  })

  test('an ordinary user is told what is needed, and offered the simulator', async () => {
    const { ended } = startProgram(
      ['lab', 'run', 'examples/seed-001', '--fabric', 'kernel'],
      {},
      UNPRIVILEGED,
    )
    const { status, stderr } = await ended
    expect(status).toBe(3)
    expect(stderr).toContain('needs the capabilities CAP_NET_ADMIN and CAP_SYS_ADMIN')
    expect(stderr).toContain('--fabric sim')
  })
})
