/** `lanyard network`, `ip` and `status` as a user types them, before a daemon in this process. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parseIp } from '../../src/addr/ip.ts'
import { LanyardError } from '../../src/errors.ts'
import { openTestDaemon, type TestDaemon } from '../support/daemon.ts'
import { buildProgram, type Ended, removeProgram, startProgram } from '../support/program.ts'

let daemon: TestDaemon

beforeAll(buildProgram)
afterAll(removeProgram)
beforeEach(async () => {
  daemon = await openTestDaemon()
})
afterEach(() => daemon.close())

/** Runs one line as it is typed, without quotes. */
const lanyard = (...words: readonly string[]): Promise<Ended> =>
  startProgram(
    words.flatMap((w) => (w.startsWith('=') ? [w.slice(1)] : w.split(' '))),
    {
      LANYARD_SOCKET: daemon.socket,
    },
  ).ended

const CREATE = 'network create -d macvlan --subnet=192.168.8.0/24 --gateway=192.168.8.1'
const ID = `${'1'.padStart(64, '0')}\n`

describe('lanyard network', { timeout: 60_000 }, () => {
  test('create, ls, inspect, rm print what Docker prints', async () => {
    expect(await lanyard(`${CREATE} -o parent=enp0s8 --aux-address nas=192.168.8.5 mcv`)).toEqual({
      status: 0,
      stdout: ID,
      stderr: '',
    })
    expect(await daemon.engine.network('mcv')).toMatchObject({
      parent: 'enp0s8',
      hostAccess: true,
      check: 'auto',
      attach: 'child',
      pools: [{ gateway: parseIp('192.168.8.1'), exclude: [{ name: 'nas' }] }],
    })
    expect((await lanyard('network ls')).stdout).toBe(
      'NETWORK ID     NAME   DRIVER    SCOPE\n000000000000   mcv    macvlan   local\n',
    )
    const { stdout } = await lanyard('network inspect mcv')
    expect(JSON.parse(stdout)).toMatchObject([
      {
        Name: 'mcv',
        Driver: 'macvlan',
        IPAM: {
          Config: [
            {
              Subnet: '192.168.8.0/24',
              Gateway: '192.168.8.1',
              AuxiliaryAddresses: { nas: '192.168.8.5' },
            },
          ],
        },
        Containers: {},
        Options: { parent: 'enp0s8' },
      },
    ])
    expect(await lanyard('network rm mcv')).toEqual({ status: 0, stdout: 'mcv\n', stderr: '' })
    expect((await lanyard('network ls -q')).stdout).toBe('')
  })

  test('columns of wide names stand below each other', async () => {
    await lanyard(`${CREATE} -o parent=eth0 局域网`)
    await lanyard('network create --subnet 10.0.0.0/24 b')
    const lines = (await lanyard('network ls')).stdout.split('\n')
    expect(lines[0]).toBe('NETWORK ID     NAME     DRIVER    SCOPE')
    expect(lines).toContain('000000000000   局域网   macvlan   local')
    expect(lines).toContain('000000000000   b        macvlan   local')
  })

  test('filters and templates', async () => {
    await lanyard(`${CREATE} -o parent=eth0 --label a=b mcv`)
    await lanyard('network create -d ipvlan --subnet 10.0.0.0/24 --ip-range 10.0.0.64/26 ipv')
    expect((await lanyard('network ls -f driver=ipvlan --format', '={{.Name}}')).stdout).toBe(
      'ipv\n',
    )
    expect((await lanyard('network ls -f label=a=b -q --no-trunc')).stdout).toBe(ID)
    const table = await lanyard('network ls --format', '=table {{.Name}}\\t{{.Subnets}}')
    expect(table.stdout).toBe('NAME   SUBNETS\nipv    10.0.0.0/24\nmcv    192.168.8.0/24\n')
    const ranges = '={{range .IPAM.Config}}{{.Subnet}} {{.IPRange}}{{end}}'
    expect((await lanyard('network inspect ipv --format', ranges)).stdout).toBe(
      '10.0.0.0/24 10.0.0.64/26\n',
    )
  })

  test('connect tells the address, disconnect takes the name or the sandbox', async () => {
    await lanyard(`${CREATE} -o parent=eth0 mcv`)
    expect((await lanyard('network connect mcv web')).stdout).toBe(
      'web: 192.168.8.2/24 on eth0, gateway 192.168.8.1\n',
    )
    const made = await lanyard('network connect --ip 192.168.8.50 --json mcv pid:4711')
    expect(JSON.parse(made.stdout)).toMatchObject({ name: 'pid-4711', sandbox: 'pid:4711' })
    expect((await lanyard('ip ls mcv -q')).stdout).toBe('192.168.8.2\n192.168.8.50\n')
    const kept = await lanyard('network inspect mcv --format', '={{len .Containers}}')
    expect(kept.stdout).toBe('2\n')
    expect(await lanyard('network disconnect mcv pid:4711')).toMatchObject({
      status: 0,
      stdout: '',
    })
    expect((await daemon.engine.endpoints()).map((one) => one.name)).toEqual(['web'])
    expect((await lanyard('network disconnect -f mcv gone')).status).toBe(0)
  })

  test('--dry-run prints ip commands and does nothing', async () => {
    const { stdout } = await lanyard(`${CREATE} --dry-run -o parent=eth0 mcv`)
    expect(stdout).toBe('ip link set dev eth0 up\n')
    expect(await daemon.engine.networks()).toEqual([])
    await lanyard(`${CREATE} -o parent=eth0 mcv`)
    const plan = await lanyard('network connect --dry-run mcv web')
    expect(plan.stdout).toBe('ip -n web addr add 192.168.8.2/24 dev eth0\n')
    expect(await daemon.engine.endpoints()).toEqual([])
  })

  test('prune takes what nobody uses, and asks first', async () => {
    await lanyard(`${CREATE} -o parent=eth0 used`)
    await lanyard('network create --subnet 10.0.0.0/24 idle')
    await lanyard('network connect used web')
    const asked = await lanyard('network prune')
    expect(asked.stdout).toContain('Are you sure you want to continue? [y/N]')
    expect(await daemon.engine.networks()).toHaveLength(2)
    expect((await lanyard('network prune -f')).stdout).toBe('Deleted Networks:\nidle\n')
    expect((await lanyard('network prune -f')).stdout).toBe('')
  })

  test.each([
    [
      `${CREATE} -o parnet=eth0 x`,
      'unknown driver option "parnet" (did you mean "parent"?): there',
    ],
    [`${CREATE} -o mtu=big x`, 'driver option mtu is a whole number, not "big"'],
    [
      `${CREATE} -o check=alway x`,
      'is auto or always or never, not "alway" (did you mean "always"?',
    ],
    [`${CREATE} -o parent=a -o parent=b x`, 'driver option parent is given twice: a and b'],
    ['network create -d mcvlan x', 'plugin "mcvlan" not found (did you mean "macvlan"?)'],
    ['network create x', 'a network needs a subnet'],
    [
      'network create --gateway 10.0.0.1 x',
      'every ip-range or gateway must have a corresponding subnet',
    ],
    [
      'network create --subnet 10.0.0.0/24 --gateway 10.1.0.1 x',
      'no matching subnet for gateway 10.1.0.1',
    ],
    [
      'network create --subnet 10.0.0.0/24 --ip-range 10.1.0.0/26 x',
      'no matching subnet for range 10.1.0.0/26',
    ],
    [
      'network create --subnet 10.0.0.0/24 --ip-range 10.0.0.0/23 x',
      'invalid ip-range 10.0.0.0/23: parent subnet 10.0.0.0/24 does not hold it',
    ],
    [
      'network create --subnet 10.0.0.0/24 --aux-address a=10.1.0.1 x',
      'no matching subnet for aux-address 10.1.0.1',
    ],
    [
      'network create --subnet 10.0.0.0/24 --subnet 10.0.0.0/25 x',
      'multiple overlapping subnet configuration is not supported',
    ],
    [
      'network create --subnet 10.0.0.0/24 --gateway 10.0.0.1 --gateway 10.0.0.2 x',
      'cannot configure multiple gateways (10.0.0.2, 10.0.0.1) for the same subnet (10.0.0.0/24)',
    ],
    [
      'network create --subnet 10.0.0.5/24 x',
      'invalid subnet 10.0.0.5/24: it should be 10.0.0.0/24',
    ],
    ['network create --subnet 10.0.0.0/24 --ipv6 x', '--ipv6 needs an IPv6 subnet'],
    ['network create --subnet 10.0.0.0/8 --exclude 10.0.0.0/16 x', 'is 65536 addresses, more than'],
    ['network ls -f drivr=x', 'invalid filter \'drivr=x\' (did you mean "driver"?)'],
    ['network ls --format {{.Nam}}', 'there is no field .Nam (did you mean "Name"?)'],
    ['network connect mcv web --mac-address 2:3', '"2:3" is not a MAC address'],
    ['ip who 10.0.0', '"10.0.0" is not an IPv4 address'],
  ])('refuses %s', async (line, says) => {
    await daemon.engine.createNetwork((await specFor('seen')) as never)
    const { status, stdout, stderr } = await lanyard(line)
    expect([status, stdout]).toEqual([2, ''])
    expect(stderr).toContain(says)
    expect(stderr).not.toContain('    at ')
  })

  const specFor = async (name: string) => ({
    ...{ name, kind: 'macvlan', parent: 'eth0', pools: [], hostAccess: true, internal: false },
    ...{ check: 'auto', attach: 'child', labels: {} },
  })

  test('what the engine refuses keeps its sentence, mend and status', async () => {
    daemon.engine.next = new LanyardError('needs-root', { missing: 'it lacks CAP_NET_ADMIN' })
    const { status, stderr } = await lanyard('network ls')
    expect(status).toBe(3)
    expect(stderr).toMatch(/^lanyard: this needs .* CAP_NET_ADMIN\nmend: run it as/)
  })
})

describe('lanyard ip', { timeout: 60_000 }, () => {
  test('who names the lease, the stranger, or nobody', async () => {
    await lanyard('network create --subnet 10.0.0.0/24 -o parent=eth0 lan')
    await lanyard('network connect lan web')
    expect(await lanyard('ip who 10.0.0.1')).toMatchObject({
      status: 0,
      stdout: '10.0.0.1: endpoint web of network lan (segment eth0, 02:00:00:00:00:01)\n',
    })
    expect((await lanyard('ip who 10.0.0.99')).stdout).toBe(
      '10.0.0.99: 52:54:00:00:00:99 answers for it on the LAN, nobody of ours\n',
    )
    expect((await lanyard('ip who 10.0.0.98')).stdout).toBe(
      '10.0.0.98: this host has it itself, on eth0\n',
    )
    expect(await lanyard('ip who 10.0.0.97')).toMatchObject({
      status: 1,
      stdout: '10.0.0.97: nobody has it\n',
    })
  })

  test('next, reserve, ls and release', async () => {
    await lanyard('network create --subnet 10.0.0.0/24 -o parent=eth0 lan')
    expect((await lanyard('ip next lan')).stdout).toBe('10.0.0.1\n')
    expect((await lanyard('ip reserve lan 10.0.0.1 --name printer')).stdout).toBe(
      '10.0.0.1: kept for printer on lan\n',
    )
    expect((await lanyard('ip next lan --json')).stdout).toBe('[\n  "10.0.0.2"\n]\n')
    expect((await lanyard('ip ls')).stdout.split('\n')[1]).toMatch(
      /^10\.0\.0\.1 +lan +printer +reservation +- +2026-11-20T10:00:00\.000Z +eth0$/,
    )
    expect((await lanyard('ip release lan 10.0.0.1')).status).toBe(0)
    expect((await lanyard('ip ls -q')).stdout).toBe('')
  })
})

describe('lanyard status', { timeout: 60_000 }, () => {
  test('tells daemon, networks and drift; 1 until healed', async () => {
    await lanyard('network create --subnet 10.0.0.0/24 -o parent=eth0 lan')
    expect(await lanyard('status')).toMatchObject({
      status: 0,
      stdout: `daemon 0.0.0-test, process ${process.pid}; state in ${daemon.state}

NETWORK   DRIVER    PARENT   SUBNETS       ENDPOINTS   STATE
lan       macvlan   eth0     10.0.0.0/24   0           ok
`,
    })
    const drift = { network: 'lan', endpoint: 'web', what: 'eth0 is gone', mend: 'it is made anew' }
    daemon.engine.drifts.push(drift)
    const bad = await lanyard('status')
    expect(bad.status).toBe(1)
    expect(bad.stdout).toContain('✗ lan/web: eth0 is gone\n  mend: it is made anew\n')
    expect((await lanyard('status --heal --json')).status).toBe(0)
  })
})
