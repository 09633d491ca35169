/**
 * A reboot, played with two boots of User Mode Linux over one disk: networks are made, the machine
 * is switched off under them, and after the second boot the daemon is there before the card is.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runInUml, type UmlResult } from '../../src/kernel/uml.ts'
import { nodeInUml, umlMissing } from '../../src/kernel/uml-boot.ts'
import { withGuestSlot } from '../support/guest-slot.ts'
import { buildProgram, PROGRAM, removeProgram, ROOT } from '../support/program.ts'

const missing = umlMissing()
const TIMEOUT_MS = 1_500_000
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lanyard-reboot-'))
  await buildProgram()
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
  removeProgram()
})

/** What both boots begin with: the program, a router on a wire, waiting for states. */
const COMMON = `
exec 2>&1
lanyard() { ${nodeInUml().join(' ')} ${PROGRAM} "$@"; }
export LANYARD_SOCKET=/run/lanyard/lanyard.sock LANYARD_STATE="$STATE"
# Until a command goes well; a busy machine may take its time.
until_ok() { n=0; until "$@" >/dev/null 2>&1; do n=$((n+1)); [ $n -lt 600 ] || { echo "never: $*"; cat "$STATE.log"; exit 9; }; sleep 0.2; done; }
start_daemon() { lanyard daemon --docker none >"$STATE.log" 2>&1 & until_ok test -S "$LANYARD_SOCKET"; }
card() {
  ip netns add gw
  ip link add eth0 address 02:00:00:00:08:6e type veth peer name eth0 netns gw
  ip -n gw address add 192.168.8.1/24 dev eth0
  ip -n gw link set lo up
  ip -n gw link set eth0 up
  ip -n gw link add link eth0 name eth0.50 up type vlan id 50
  ip -n gw address add 10.50.0.1/24 dev eth0.50
  ip address add 192.168.8.110/24 dev eth0
  ip link set eth0 up
}
boxes() { for box in web db; do ip netns add $box; done; }
inside() { for box in web db; do ip -n $box -br -4 address show dev eth0 | tr -s ' '; done; }
`

const BEFORE = `
card; boxes; start_daemon
lanyard network create --subnet 192.168.8.0/24 --gateway 192.168.8.1 -o parent=eth0 lan >/dev/null
lanyard network create --subnet 10.50.0.0/24 --gateway 10.50.0.1 -o parent=eth0.50 v50 >/dev/null
lanyard network connect -q lan web
lanyard network connect -q v50 db
until_ok ip netns exec web ping -c1 -W1 192.168.8.1
until_ok ip netns exec db ping -c1 -W1 10.50.0.1
inside
lanyard status | tail -n +3
# The power goes: nobody is told.
`

const AFTER = `
boxes; start_daemon
echo "links: $(ip -br link | cut -d' ' -f1 | tr '\\n' ' ')"
lanyard status | grep -o 'parent .* is missing\\|waits for parent .*' | sort -u
card
# Nobody tells the daemon: it sees the card.
until_ok ip netns exec web ping -c1 -W1 192.168.8.1
until_ok ip netns exec db ping -c1 -W1 10.50.0.1
until_ok ping -c1 -W1 192.168.8.2
inside
until_ok lanyard status
lanyard status | tail -n +3
`

/** One boot over the disk. */
async function boot(name: string, script: string): Promise<UmlResult> {
  const path = join(folder, `${name}.sh`)
  writeFileSync(path, `STATE='${join(folder, 'state')}'\n${COMMON}${script}`)
  const command = ['sh', '-u', path]
  return await withGuestSlot(() => runInUml({ command, cwd: ROOT, timeoutMs: TIMEOUT_MS / 2 }))
}

test.skipIf(missing !== undefined)(
  `after a reboot the networks heal when the card comes, later than the daemon${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  async () => {
    const inside = ['eth0@if2 UP 192.168.8.2/24 ', 'eth0@if4 UP 10.50.0.2/24 ']
    const table = (output: string) => output.split('\n').filter((line) => /^(lan|v50) /.test(line))
    const before = await boot('before', BEFORE)
    expect([before.exitCode, before.output]).toEqual([0, expect.stringContaining(inside[0] ?? '')])
    const after = await boot('after', AFTER)
    expect([after.exitCode, after.output]).toEqual([0, expect.stringContaining('links: lo')])
    const lines = after.output.split('\n')
    // Without the card there is nothing of ours, and it is said what is waited for.
    expect(lines[0]?.trim()).toBe('links: lo')
    expect(after.output).toContain('parent eth0 is missing')
    // The same addresses as before, without a word from anybody.
    const addresses = (output: string) => output.match(/ \d+\.\d+\.\d+\.\d+\/24 /g)
    expect(addresses(after.output)).toEqual(addresses(before.output))
    expect(table(after.output)).toEqual(table(before.output))
    expect(table(after.output).map((line) => line.trim().split(/ +/).at(-1))).toEqual(['ok', 'ok'])
  },
  TIMEOUT_MS,
)

test('the unit waits for no network, and does not sleep', () => {
  const unit = readFileSync(join(ROOT, 'packaging/lanyard.service'), 'utf8')
  expect(unit).not.toMatch(/sleep|network-online|ExecStartPre/)
})
