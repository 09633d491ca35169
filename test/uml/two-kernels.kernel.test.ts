/**
 * Two hosts with a kernel each, on one cable: the networks of the second document (one over both
 * hosts, another on the same parent, one a VLAN) made once in an etcd that both share, and who
 * reaches whom beside what the simulator says of the same lab.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runInUml, type UmlCable, type UmlResult } from '../../src/kernel/uml.ts'
import { nodeInUml, umlMissing } from '../../src/kernel/uml-boot.ts'
import { withGuestSlot } from '../support/guest-slot.ts'
import { buildProgram, PROGRAM, removeProgram, ROOT, runProgram } from '../support/program.ts'

const missing = umlMissing()
const TIMEOUT_MS = 1_500_000
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lanyard-kernels-'))
  await buildProgram()
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
  removeProgram()
})

interface Place {
  readonly network: string
  readonly ip: string
}
const PLACES: Readonly<Record<string, Readonly<Record<string, Place>>>> = {
  node2: {
    busybox1: { network: 'macvlan1', ip: '172.16.5.2' },
    busybox3: { network: 'macvlan2', ip: '172.16.6.2' },
    box1: { network: 'mac10', ip: '172.16.10.10' },
    box2: { network: 'mac20', ip: '172.16.20.10' },
  },
  node3: {
    busybox2: { network: 'macvlan1', ip: '172.16.5.3' },
    busybox4: { network: 'macvlan2', ip: '172.16.6.3' },
    box3: { network: 'mac10', ip: '172.16.10.11' },
    box4: { network: 'mac20', ip: '172.16.20.11' },
  },
}
const HOSTS: Readonly<Record<string, string>> = { node2: '192.168.1.12', node3: '192.168.1.13' }
const NETWORKS = [
  { name: 'macvlan1', subnet: '172.16.5.0/24', gateway: '172.16.5.1', parent: 'eth0' },
  { name: 'macvlan2', subnet: '172.16.6.0/24', gateway: '172.16.6.1', parent: 'eth0' },
  { name: 'mac10', subnet: '172.16.10.0/24', gateway: '172.16.10.1', parent: 'eth0.100' },
  { name: 'mac20', subnet: '172.16.20.0/24', gateway: '172.16.20.1', parent: 'eth0.200' },
]
const ADDRESSES: readonly (readonly [name: string, ip: string])[] = [
  ...Object.entries(HOSTS),
  ...Object.values(PLACES).flatMap((places) =>
    Object.entries(places).map(([name, { ip }]) => [name, ip] as const),
  ),
]

/** What a host does until the other has done as much, too. */
function common(host: string): string {
  const own = HOSTS[host] ?? ''
  return `
exec 2>&1
set -u
hostname ${host}
# A busy machine may take its time.
until_ok() { n=0; until "$@" >/dev/null 2>&1; do n=$((n+1)); [ $n -lt 240 ] || { echo "never: $*"; exit 9; }; sleep 1; done; }
# The same until it goes well, for all to see: etcd in a slow guest may not answer in time.
again() { n=0; until "$@"; do n=$((n+1)); [ $n -lt 30 ] || exit 9; sleep 1; done; }
# The same until it is refused by those words.
refused() { words="$1"; shift; n=0; until "$@" >/run/said 2>&1; grep -q "$words" /run/said; do n=$((n+1)); [ $n -lt 30 ] || break; sleep 1; done; cat /run/said; }
meet() { touch "${folder}/$1-${host}"; for other in ${Object.keys(HOSTS).join(' ')}; do until_ok test -e "${folder}/$1-$other"; done; }
lanyard() { ${nodeInUml().join(' ')} ${PROGRAM} "$@"; }
export LANYARD_SOCKET=/run/lanyard/lanyard.sock LANYARD_STATE=/run/state LANYARD_STORE=etcd://${HOSTS['node2']}:2379
mkdir -p /run/state /run/lanyard
# Both see one file system, and one machine-id.
echo "${host}-of-the-test ${host}" > /run/state/host-id
ip link set vec0 name eth0
ip address add ${own}/24 dev eth0
ip link set eth0 up
${Object.keys(PLACES[host] ?? {})
  .map((name) => `ip netns add ${name}`)
  .join('\n')}
for other in ${Object.values(HOSTS).join(' ')}; do until_ok ping -c1 -W1 $other; done
`
}

const SERVE = `
etcd --data-dir /run/etcd --listen-client-urls http://192.168.1.12:2379 \\
  --advertise-client-urls http://192.168.1.12:2379 --listen-peer-urls http://127.0.0.1:2380 \\
  >/run/etcd.log 2>&1 &
`
const START = `
until_ok env ETCDCTL_API=3 etcdctl --endpoints http://192.168.1.12:2379 get x
lanyard daemon --docker none --spares 0 >/run/daemon.log 2>&1 &
until_ok test -S "$LANYARD_SOCKET"
`

type Asked = readonly [path: string, body: object]

/** Requests to the daemon one after the other, by one program: to start one takes seconds there. */
function requests(name: string, asked: readonly Asked[]): string {
  const file = join(folder, `${name}.cjs`)
  writeFileSync(
    file,
    `const { request } = require('node:http')
    const ask = (path, body) => new Promise((resolve, reject) => {
      const to = { socketPath: process.env.LANYARD_SOCKET, method: 'POST', path }
      const asked = request(to, (answer) => {
        let text = ''
        answer.on('data', (part) => (text += part))
        answer.on('end', () => {
          if (answer.statusCode < 400) resolve()
          else if (text.includes('does not answer')) setTimeout(() => ask(path, body).then(resolve, reject), 1000)
          else reject(new Error(text))
        })
      })
      asked.on('error', reject).end(JSON.stringify(body))
    })
    ;(async () => {
      for (const [path, body] of ${JSON.stringify(asked)}) await ask(path, body)
    })()`,
  )
  return `${nodeInUml().join(' ')} ${file} || { cat /run/daemon.log; exit 8; }`
}

const creations = (): string =>
  requests(
    'create',
    NETWORKS.map(({ name, subnet, gateway, parent }) => [
      '/v1/networks',
      { name, kind: 'macvlan', parent, hostAccess: false, pools: [{ subnet, gateway }] },
    ]),
  )

const connections = (host: string): string =>
  requests(
    `connect-${host}`,
    Object.entries(PLACES[host] ?? {}).map(([name, { network, ip }]) => [
      `/v1/networks/${network}/endpoints`,
      { endpoint: name, sandbox: name, addresses: [ip] },
    ]),
  )

/** A line a pair: `ping FROM TO ok` or `fail`. */
function pings(host: string): string {
  const from = (name: string, wrap: string): string =>
    ADDRESSES.filter(([to]) => to !== name)
      .map(
        ([to, ip]) =>
          `(${wrap} ping -c1 -W3 ${ip} >/dev/null 2>&1 && echo "ping ${name} ${to} ok" || echo "ping ${name} ${to} fail") &`,
      )
      .join('\n')
  const inside = Object.keys(PLACES[host] ?? {}).map((name) => from(name, `ip netns exec ${name}`))
  // In a subshell: nobody waits for the daemon.
  return [from(host, ''), ...inside].map((all) => `(\n${all}\nwait\n)`).join('\n')
}

function scriptOf(host: string): string {
  const first = host === 'node2'
  return [
    common(host),
    first ? SERVE : '',
    START,
    first ? creations() : '',
    'meet made',
    connections(host),
    'meet joined',
    pings(host),
    'meet pinged',
    // What the other host holds is refused, and its holder named.
    first
      ? 'again lanyard ip who 172.16.5.3'
      : 'ip netns add late; refused "is held by" lanyard network connect --ip 172.16.5.2 macvlan1 late',
    first ? 'again lanyard store check' : '',
    'meet done',
  ].join('\n')
}

async function boot(host: string, cable: UmlCable): Promise<UmlResult> {
  const path = join(folder, `${host}.sh`)
  writeFileSync(path, scriptOf(host))
  return await runInUml({ command: ['bash', path], cwd: ROOT, cable, timeoutMs: TIMEOUT_MS / 2 })
}

test.skipIf(missing !== undefined)(
  `two kernels on one cable share networks, addresses and the simulator's matrix${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  async () => {
    const [one, other] = await withGuestSlot(() =>
      Promise.all([
        boot('node2', { mac: '02:00:00:00:07:02', port: 5002, peerPort: 5003 }),
        boot('node3', { mac: '02:00:00:00:07:03', port: 5003, peerPort: 5002 }),
      ]),
    )
    expect([one.exitCode, one.output, one.console]).toEqual([0, one.output, one.console])
    expect([other.exitCode, other.output, other.console]).toEqual([0, other.output, other.console])
    const seen = `${one.output}\n${other.output}`
    const matrix = seen.split('\n').filter((line) => line.startsWith('ping '))
    expect(matrix).toHaveLength(ADDRESSES.length * (ADDRESSES.length - 1))
    expect(matrix.toSorted()).toEqual((await simulated()).toSorted())
    expect(one.output).toContain('endpoint busybox2 of network macvlan1 on host node3')
    expect(other.output).toContain('172.16.5.2 is held by endpoint "busybox1" on host node2')
    expect(one.output).toContain('4 networks, 8 endpoints, 8 addresses, 2 hosts: clean')
  },
  TIMEOUT_MS,
)

interface Matrix {
  readonly classes: readonly { readonly id: number; readonly members: readonly string[] }[]
  readonly verdicts: readonly { readonly from: number; readonly to: number; readonly ok: boolean }[]
}

/** The same pairs as the simulator answers them for examples/seed-002. */
async function simulated(): Promise<string[]> {
  const { stdout } = await runProgram('matrix', '--lab', 'examples/seed-002', '--json')
  const { classes, verdicts } = JSON.parse(stdout) as Matrix
  const names = new Set(ADDRESSES.map(([name]) => name))
  const membersOf = (id: number): readonly string[] =>
    (classes.find((one) => one.id === id)?.members ?? []).filter((name) => names.has(name))
  // Two classes have a verdict for each reason.
  const lines = verdicts.flatMap(({ from, to, ok }) =>
    membersOf(from).flatMap((a) =>
      membersOf(to).flatMap((b) => (a === b ? [] : [`ping ${a} ${b} ${ok ? 'ok' : 'fail'}`])),
    ),
  )
  return [...new Set(lines)]
}
