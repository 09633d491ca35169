/** `--fabric uml`: an ordinary user runs a lab on a real kernel that has every module. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { umlMissing } from '../../src/kernel/uml-boot.ts'
import { withGuestSlot } from '../support/guest-slot.ts'
import { buildProgram, removeProgram, startProgram, UNPRIVILEGED } from '../support/program.ts'

const missing = umlMissing()
const reason = missing === undefined ? '' : ` (skipped: ${missing})`
/** It may wait for its turn, and for a busy machine. */
const UML_MS = 1_500_000
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lanyard-uml-test-'))
  await buildProgram()
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
  removeProgram()
})

const LAB = `lab: guest
switches: {sw: {ports: {p0: trunk 100, p1: access 100}}}
hosts:
  h: {nics: {eth0: sw:p0}}
  x: {nics: {eth0: {to: sw:p1, addr: 10.1.0.1/24}}, listen: [tcp/80, udp/53]}
networks:
  lan: {driver: ipvlan, parent: eth0.100, subnet: 10.1.0.0/24, hosts: h}
containers:
  a: {host: h, net: lan=10.1.0.8, run: 'ip -br addr show dev eth0'}
expect:
  - a <-> x ok ttl 64
  - a -> x ok tcp/80
  - a -> x ok udp/53
  - a -> x fail
`

test.skipIf(missing !== undefined)(
  `lab run --fabric uml needs no root, tells all and passes the exit status on${reason}`,
  async () => {
    const path = join(folder, 'guest.yaml')
    writeFileSync(path, LAB)
    const run = () => startProgram(['lab', 'run', path, '--fabric', 'uml'], {}, UNPRIVILEGED).ended
    const { status, stdout, stderr } = await withGuestSlot(run)
    expect(stderr).toBe('')
    expect(stdout).toMatch(/a # ip -br addr show dev eth0\n +eth0@if\d+ +UNKNOWN +10\.1\.0\.8\/24/)
    expect(stdout).toMatch(/\n3 expectations met, 1 missed \(on Linux 6\.1\.\d+\)\n$/)
    expect(status).toBe(1)
  },
  UML_MS,
)

test.skipIf(missing !== undefined)(
  `lab run --fabric uml tells errors of the guest on standard error${reason}`,
  async () => {
    const path = join(folder, 'typo.yaml')
    writeFileSync(path, LAB.replace('show dev eth0', 'show dev eth7'))
    const run = () => startProgram(['lab', 'run', path, '--fabric', 'uml']).ended
    const { status, stderr } = await withGuestSlot(run)
    expect(stderr).toBe(
      `lanyard: ${path}:9: "ip -br addr show dev eth7" on a ended with status 1: Device "eth7" does not exist.\n`,
    )
    expect(status).toBe(2)
  },
  UML_MS,
)

test.skipIf(missing !== undefined)(`Ctrl-C ends the guest, too${reason}`, async () => {
  const path = join(folder, 'guest.yaml')
  writeFileSync(path, LAB)
  const { child, ended } = startProgram(['lab', 'run', path, '--fabric', 'uml'], {
    TMPDIR: folder,
  })
  // The guest's own directory comes after everything that stops it is in place.
  while (!readdirSync(folder).some((name) => /^lanyard-uml-(?!run-|test-)/.test(name)))
    await new Promise((resolve) => setTimeout(resolve, 20))
  child.kill('SIGINT')
  const { status, stderr } = await ended
  expect([status, stderr]).toEqual([130, 'lanyard: lab guest was stopped\n'])
  expect(readdirSync(folder).filter((name) => name.startsWith('lanyard-uml'))).toEqual([])
})
