/** `lanyard lab run` in the simulator, as a user sees it. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildProgram, removeProgram, runProgram, startProgram } from '../support/program.ts'

let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lanyard-run-'))
  await buildProgram()
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
  removeProgram()
})

function labFile(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const SMALL = `lab: small
title: 两台主机
switches: {sw: {ports: {p0: {}, p1: {}}}}
hosts:
  h: {nics: {eth0: {to: sw:p0, addr: [10.66.0.1/24, "fd00:66::1/64"]}}}
  x: {nics: {eth0: {to: sw:p1, addr: [10.66.0.2/24, "fd00:66::2/64"]}}, run: ip -br addr show eth0}
expect:
  - h <-> x ok ttl 64
  - h -> x ok v6
  - x -> h fail
steps:
  - name: 拔线
    run: {sw: ip link set p1 down}
    expect: [h -> x fail why BRIDGE_PORT_STATE]
`

test('prints commands, both families, expectations with their lines, and fails with 1', async () => {
  const { status, stdout, stderr } = await runProgram('lab', 'run', labFile('small.yaml', SMALL))
  expect([status, stderr]).toEqual([1, ''])
  expect(stdout).toContain('small: 两台主机\n')
  expect(stdout).toMatch(
    / x # ip -br addr show eth0\n {4}eth0@if\d+ +UP +10\.66\.0\.2\/24 fd00:66::2\/64/,
  )
  expect(stdout).toContain('  IPv6   h   x\n  h      ·  64\n  x     64   ·\n')
  expect(stdout).toContain('  ✓ line 8: h <-> x ok ttl 64\n')
  expect(stdout).toContain('  ✗ line 10: x -> h fail\n      x -> h works, ttl 64\n')
  expect(stdout).toContain(
    '\n拔线\n  sw # ip link set p1 down\n  ✓ line 14: h -> x fail why BRIDGE',
  )
  expect(stdout).toMatch(/\n3 expectations met, 1 missed \(simulated\)\n$/)
})

test('a command line that fails is named with its line', async () => {
  const path = labFile('typo.yaml', SMALL.replace('set p1 down', 'set p9 down'))
  const { status, stderr } = await runProgram('lab', 'run', path)
  expect(status).toBe(2)
  expect(stderr).toBe(
    `lanyard: ${path}:13: "ip link set p9 down" on sw ended with status 1: Cannot find device "p9"\n`,
  )
})

test('--json tells everything, --pcap writes what travelled', async () => {
  const out = join(folder, 'frames')
  const path = labFile('small.yaml', SMALL)
  const { stdout } = await runProgram('lab', 'run', path, '--json', '--pcap', out)
  expect(JSON.parse(stdout)).toMatchObject({
    lab: 'small',
    fabric: 'sim',
    met: 3,
    missed: 1,
    combinations: [
      {
        nodes: [{ name: 'h' }, { name: 'x' }],
        matrices: [
          { family: 4, cells: [{ from: 'h', to: 'x', target: '10.66.0.2', ttl: 64 }, {}] },
          {},
        ],
        steps: [{ name: '拔线', cells: [{ why: { code: 'BRIDGE_PORT_STATE', at: 'sw:p1' } }] }],
      },
    ],
  })
  expect(readdirSync(out)).toEqual(['small.pcapng'])
  const bytes = readFileSync(join(out, 'small.pcapng'))
  expect(bytes.includes('sw/p0') && bytes.includes('x/eth0')).toBe(true)
  // Why a frame ended stands at the frame; here, a moment after it was captured.
  expect(bytes.includes('not out of p1: BRIDGE_PORT_STATE: the bridge port does not')).toBe(true)
})

test('the same seed prints the same bytes', async () => {
  const path = labFile('small.yaml', SMALL)
  const run = async () => (await runProgram('lab', 'run', path, '--seed', '7', '--json')).stdout
  expect(await run()).toBe(await run())
})

test('VLANs, a router that is switched on, a trunk that becomes an access port', async () => {
  const path = labFile(
    'vlans.yaml',
    `lab: vlans
switches: {sw: {ports: {p1: trunk 100 200, p2: trunk 100 200, p3: trunk 100 200 native 1}}}
hosts:
  r:
    nics: {eth0: sw:p1}
    vlans: [eth0.100, eth0.200]
    addr: {eth0.100: 172.16.10.1/24, eth0.200: 172.16.20.1/24}
  n2: {nics: {eth0: sw:p2}}
  n3: {nics: {eth0: sw:p3}}
networks:
  a: {driver: macvlan, parent: eth0.100, subnet: 172.16.10.0/24, gateway: 172.16.10.1, hosts: [n2, n3]}
  b: {driver: macvlan, parent: eth0.200, subnet: 172.16.20.0/24, gateway: 172.16.20.1, hosts: [n2, n3]}
containers:
  a2: {host: n2, net: a}
  b2: {host: n2, net: b}
  a3: {host: n3, net: a}
  b3: {host: n3, net: b}
expect: [a2 <-> a3 ok, "{a2,a3} -> {b2,b3} fail why IP_FORWARD_OFF"]
steps:
  - name: router on
    set: {hosts.r.forward: true}
    expect: ["{a2,a3} <-> {b2,b3} ok ttl 63", a2 <-> a3 ok ttl 64]
  - name: p3 an access port
    set: {switches.sw.ports.p3: access 100}
    expect: [a2 -> a3 fail, b2 -> b3 fail why BRIDGE_VLAN_EGRESS, a2 -> b2 ok]
`,
  )
  const { status, stdout } = await runProgram('lab', 'run', path)
  expect(stdout).toContain('7 expectations met, 0 missed')
  expect(status).toBe(0)
})

test('ports that answer, the way taken, the time allowed, host access', async () => {
  const path = labFile(
    'services.yaml',
    `lab: services
switches: {sw: {ports: {p0: {}, p1: {}}}}
hosts:
  h:
    nics: {eth0: {to: sw:p0, addr: 10.0.0.1/24}}
    vlans: [{parent: eth0, id: 7, name: outer, protocol: 802.1ad}, {parent: outer, id: 8}]
    listen: [udp/53]
  r: {nics: {eth0: {to: sw:p1, addr: [10.0.0.2/24, 10.1.0.1/24]}}, forward: true}
networks:
  lan: {driver: macvlan, parent: eth0, subnet: [10.0.0.0/24, 10.1.0.0/24], gateway: [10.0.0.2, 10.1.0.1], hosts: h}
containers:
  a: {host: h, net: lan, listen: tcp/80}
  b: {host: h, net: lan}
  c: {host: h, net: lan=10.1.0.9}
expect:
  - a -> h fail
  - "{b,r} -> a ok tcp/80"
  - b -> a fail tcp/81 why PORT_CLOSED
  - r -> h ok udp/53 within 20ms
  - r -> h fail udp/54
  - c -> a ok via r
  - c -> a ok via h
  - c -> a ok via r within 1us
  - a -> b ok via r
steps:
  - name: with host access
    set: {hosts.h.shim: lan}
    expect: ["{a,b} <-> h ok", a -> h ok udp/53]
  - name: and without
    set: {hosts.h.shim: []}
    expect: ["{a,b} -> h fail", "h -> {a,b} fail"]
`,
  )
  const { status, stdout, stderr } = await runProgram('lab', 'run', path)
  expect(stderr).toBe('')
  expect(stdout).toContain('│ └─ outer  vlan 7 802.1ad')
  expect(stdout).toContain('│    └─ outer.8  vlan 8')
  expect(stdout).toContain('c -> a works via r, not via h\n')
  expect(stdout).toMatch(/c -> a works, but takes 0\.\d{3} ms, not 0\.001\n/)
  expect(stdout).toContain('a -> b works directly, not via r\n')
  expect(stdout).toContain('10 expectations met, 3 missed')
  expect(status).toBe(1)
})

test('a packet filter, masquerading and a port forwarded', async () => {
  const path = labFile(
    'firewall.yaml',
    `lab: firewall
switches: {s1: {ports: {p0: {}, p1: {}}}, s2: {ports: {p0: {}, p1: {}}}}
hosts:
  a: {nics: {eth0: {to: s1:p0, addr: [10.1.0.2/24, "fd01::2/64"]}}, routes: [default via 10.1.0.1, "default via fd01::1"], listen: [tcp/80]}
  r:
    nics: {eth0: {to: s1:p1, addr: [10.1.0.1/24, "fd01::1/64"]}, eth1: {to: s2:p0, addr: [10.2.0.1/24, "fd02::1/64"]}}
    forward: true
    policy: {forward: drop}
    filter:
      - {chain: forward, state: [established, related], do: accept}
      - {chain: forward, in: eth0, proto: icmp, do: accept}
      - {chain: forward, in: eth1, proto: tcp, port: 80-81, do: accept}
      - {chain: input, in: eth1, proto: icmp, from: 10.2.0.0/24, do: reject}
    nat: [masquerade out eth1, dnat in eth1 tcp/8080 to 10.1.0.2:80]
  b: {nics: {eth0: {to: s2:p1, addr: [10.2.0.2/24, "fd02::2/64"]}}, listen: [tcp/80], routes: [default via 10.2.0.1, "default via fd02::1"]}
expect:
  - a -> b ok ttl 63 via r
  - a -> b ok v6
  - b -> a fail
  - b -> a fail v6
  - b -> r fail
  - b -> a ok tcp/80
  - b -> 10.2.0.1 ok tcp/8080
  - a -> b fail tcp/80
steps:
  - name: open
    set: {hosts.r.policy: {}, hosts.r.filter: []}
    expect: [b -> a ok v6, b -> r ok]
`,
  )
  const { status, stdout, stderr } = await runProgram('lab', 'run', path)
  expect(stderr).toBe('')
  expect(stdout).toContain('│ iptables -t nat -A POSTROUTING -o eth1 -j MASQUERADE ')
  expect(stdout).toContain('NETFILTER_FORWARD at r:eth1')
  expect(stdout).toContain('10 expectations met, 0 missed')
  expect(status).toBe(0)
})

test('Ctrl-C ends a simulated lab with 130', async () => {
  const many = Array.from({ length: 120 }, (_, i) => i)
  const ports = many.map((i) => `p${i}: {}`).join(', ')
  const hosts = many.map((i) => `  h${i}: {nics: {eth0: {to: sw:p${i}, addr: 10.0.0.${i + 1}/24}}}`)
  const text = `lab: many\nswitches: {sw: {ports: {${ports}}}}\nhosts:\n${hosts.join('\n')}\n`
  const { child, ended } = startProgram(['lab', 'run', labFile('many.yaml', text)])
  child.stdout?.once('data', () => child.kill('SIGINT'))
  const { status, stderr } = await ended
  expect([status, stderr]).toEqual([130, 'lanyard: lab many was stopped\n'])
})
