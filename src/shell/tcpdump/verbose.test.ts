/** The same frames in a file, read by tcpdump itself and printed by this shell. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { openSim, type SimFabric } from '../../sim/fabric.ts'
import { pcapngOf } from '../../wire/pcapng.ts'
import { machineIn, MachineFabric } from '../machine.ts'
import { runCommand } from '../run.ts'
import { openSession } from '../session.ts'
import { parseCapture } from './file.ts'

const version = spawnSync('tcpdump', ['--version'], { encoding: 'utf8' }).stdout ?? ''
const why = version.includes('tcpdump version 4.99') ? undefined : 'tcpdump 4.99 is not installed'
if (why !== undefined && process.env['CI'] === 'true')
  throw new Error(`must not be skipped: ${why}`)

const MADE = [
  'ip netns add b',
  'ip link add eth0 address 02:00:00:00:00:01 type veth peer name eth0 netns b',
  'ip -n b link set eth0 address 02:00:00:00:00:02',
  'ip addr add 10.0.0.1/24 dev eth0 && ip addr add fd00::1/64 dev eth0 nodad',
  'ip -n b addr add 10.0.0.2/24 dev eth0 && ip -n b addr add fd00::2/64 dev eth0 nodad',
  'ip link set eth0 up && ip -n b link set eth0 up',
]
const TRAFFIC = [
  ...['ping -c 1 10.0.0.2', 'ping -c 1 -s 2000 10.0.0.2', 'ping -c 1 10.0.0.9'],
  ...['ping -c 1 fd00::2', 'ping -c 1 -s 2000 fd00::2', 'ping -c 1 fd00::9'],
  ...['nc -z 10.0.0.2 81', 'nc -zu 10.0.0.2 54', 'nc -z fd00::2 81', 'nc -zu fd00::2 54'],
  'traceroute -n -m 1 10.0.0.2',
  'ip link add link eth0 name eth0.5 type vlan id 5 && ip link set eth0.5 up',
  'ip addr add 10.5.0.1/24 dev eth0.5 && ping -c 1 10.5.0.2',
]
let world: SimFabric
let file = ''

const type = async (line: string) => {
  const session = openSession(new MachineFabric(world, 'a'), '', machineIn(world, 'a', world))
  return await runCommand(session, line)
}

beforeAll(async () => {
  world = openSim()
  world.applyNow([{ do: 'netns.add', netns: 'a' }])
  for (const line of MADE) expect(await type(line)).toMatchObject({ code: 0, stderr: '' })
  const traffic = TRAFFIC.map((line) => `${line} > /dev/null 2>&1`).join('; ')
  const out = await type(`tcpdump -i eth0 -w all.pcap & ${traffic}`)
  expect(out.stdout).toBe('')
  expect(out.stderr).toMatch(
    /^tcpdump: listening on eth0, link-type EN10MB \(Ethernet\), snapshot length 262144 bytes\n\d+ p/,
  )
  file = world.readFile('a:all.pcap') ?? ''
})

test.skipIf(why !== undefined).each(['', '-v', '-vv', '-vvv', '-e', '-e -vv', '-e -v', '-S -vv'])(
  `tcpdump -r %s prints what tcpdump prints${why === undefined ? '' : ` (skipped: ${why})`}`,
  async (options) => {
    const folder = mkdtempSync(join(tmpdir(), 'lanyard-tcpdump-'))
    try {
      const path = join(folder, 'all.pcapng')
      const seen = parseCapture(file)?.seen ?? []
      expect(seen.length).toBeGreaterThan(30)
      const packets = seen.map(({ captured }) => ({ link: 0, ...captured }))
      writeFileSync(path, pcapngOf([{ name: 'eth0' }], packets))
      const words = ['-n', ...options.split(' ').filter(Boolean), '-r']
      const real = spawnSync('tcpdump', [...words, path], {
        encoding: 'utf8',
        env: { ...process.env, TZ: 'UTC' },
      })
      const ours = await type(`tcpdump ${words.join(' ')} all.pcap`)
      expect(ours.stdout.split('\n')).toEqual(real.stdout.split('\n'))
      expect(ours.stderr).toBe(real.stderr.replace(path, 'all.pcap'))
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
)

test('a file that is none, and one that is not there', async () => {
  expect(await type('tcpdump -r nope.pcap')).toMatchObject({
    code: 1,
    stderr: 'tcpdump: nope.pcap: No such file or directory\n',
  })
  await type('echo 10.0.0.7 seven > /etc/hosts')
  expect(await type('tcpdump -r /etc/hosts')).toMatchObject({
    code: 1,
    stderr: 'tcpdump: unknown file format\n',
  })
  expect((await type('tcpdump -w - -i eth0')).code).toBe(127)
})
