/**
 * Two hosts on one LAN and one etcd, on a real kernel: namespaces play the hosts, each with a
 * daemon of its own, and daemons and etcd are killed while endpoints come.
 */
import { type ChildProcess, execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeKernel } from '../describe-kernel.ts'
import { ask } from '../support/daemon.ts'
import { type EtcdCluster, startEtcd } from '../support/etcd.ts'
import { buildProgram, type Ended, removeProgram, startProgram } from '../support/program.ts'

const TAG = `two${process.pid}`
const SWITCH = `${TAG}-sw`
const HOSTS = ['alpha', 'beta'] as const
/** Endpoints that come while things die. */
const CROWD = 20

type Host = (typeof HOSTS)[number]

const ip = (line: string): string => execFileSync('ip', line.split(' '), { encoding: 'utf8' })
const into = (netns: string): string[] => ['nsenter', `--net=/run/netns/${netns}`]
const pings = (from: string, to: string): boolean =>
  spawnSync('ip', ['netns', 'exec', from, 'ping', '-c1', '-W2', '-q', to]).status === 0

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await what())) await new Promise((resolve) => setTimeout(resolve, 50))
}

describeKernel('two hosts on one etcd', () => {
  let folder: string
  let etcd: EtcdCluster
  const daemons = new Map<Host, ChildProcess>()
  const sandboxes: string[] = []
  const socket = (host: Host): string => join(folder, host, 'lanyard.sock')
  const started = (host: Host, line: string) =>
    startProgram(
      line.split(' '),
      {
        LANYARD_SOCKET: socket(host),
        LANYARD_STATE: join(folder, host),
        LANYARD_STORE: `etcd://${etcd.endpoints.join(',')}`,
      },
      into(`${TAG}-${host}`),
    )
  const lanyard = (host: Host, line: string): Promise<Ended> => started(host, line).ended
  const ok = async (host: Host, line: string): Promise<string> => {
    const { status, stdout, stderr } = await lanyard(host, line)
    expect([line, status, stderr]).toEqual([line, 0, stderr])
    return stdout
  }
  const sandbox = (name: string): string => {
    const netns = `${TAG}-${name}`
    ip(`netns add ${netns}`)
    sandboxes.push(netns)
    return netns
  }
  const addressIn = (netns: string): string =>
    / inet ([0-9.]+)/.exec(ip(`-n ${netns} -4 -o address show dev eth0`))?.[1] ?? ''

  async function startDaemon(host: Host): Promise<void> {
    const { child, ended } = started(host, 'daemon --log-level warn')
    daemons.set(host, child)
    let failed: Ended | undefined
    void ended.then((end) => (failed = end))
    await until(async () => {
      if (failed !== undefined) throw new Error(failed.stderr)
      const version = ask(socket(host), 'GET', '/v1/version')
      return await version.then(({ json }) => json['pid'] === child.pid).catch(() => false)
    })
  }

  async function endDaemon(host: Host, signal: NodeJS.Signals): Promise<void> {
    const child = daemons.get(host)
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    await gone
  }

  beforeAll(async () => {
    await buildProgram()
    folder = mkdtempSync(join(tmpdir(), 'lanyard-two-'))
    ip(`netns add ${SWITCH}`)
    ip(`-n ${SWITCH} link add br0 type bridge`)
    ip(`-n ${SWITCH} address add 10.9.0.1/24 dev br0`)
    for (const link of ['br0', 'lo']) ip(`-n ${SWITCH} link set ${link} up`)
    for (const [n, host] of HOSTS.entries()) {
      const netns = `${TAG}-${host}`
      ip(`netns add ${netns}`)
      ip(`-n ${SWITCH} link add p${n} type veth peer name eth0 netns ${netns}`)
      ip(`-n ${SWITCH} link set p${n} master br0 up`)
      ip(`-n ${netns} address add 10.9.0.${n + 2}/24 dev eth0`)
      for (const link of ['eth0', 'lo']) ip(`-n ${netns} link set ${link} up`)
      mkdirSync(join(folder, host))
      // Both are on this machine, and have one machine-id.
      writeFileSync(join(folder, host, 'host-id'), `${TAG}${host} ${host}\n`)
    }
    etcd = await startEtcd({ host: '10.9.0.1', wrap: into(SWITCH) })
  })
  afterAll(async () => {
    for (const host of HOSTS) await endDaemon(host, 'SIGKILL')
    await etcd.stop()
    for (const netns of [...sandboxes, SWITCH, ...HOSTS.map((host) => `${TAG}-${host}`)])
      spawnSync('ip', ['netns', 'del', netns])
    rmSync(folder, { recursive: true, force: true })
    removeProgram()
  })

  test('a network made once is joined on both; addresses are held once, holders named', async () => {
    const [c1, c2] = [sandbox('c1'), sandbox('c2')]
    await ok('alpha', 'network create --subnet 10.9.0.0/24 --gateway 10.9.0.1 -o parent=eth0 lan')
    await ok('alpha', `network connect lan ${c1}`)
    await ok('beta', `network connect lan ${c2} --ip 10.9.0.44`)
    await until(() => pings(c1, '10.9.0.44'))
    const taken = await lanyard('alpha', `network connect lan ${sandbox('c3')} --ip 10.9.0.44`)
    expect(taken.status).toBe(2)
    expect(taken.stderr).toContain(`10.9.0.44 is held by endpoint "${c2}" on host beta`)
    const others = await lanyard('alpha', `network disconnect lan ${c2}`)
    expect(others.stderr).toContain(`it is on host beta`)
    expect(await ok('alpha', 'host ls')).toMatch(/^alpha .*\nbeta /m)
    expect(await ok('beta', 'store check')).toBe(
      '1 networks, 2 endpoints, 2 addresses, 2 hosts: clean\n',
    )
  })

  test('endpoints come on both while daemons and etcd are killed: no address twice', async () => {
    for (const host of HOSTS) await startDaemon(host)
    const crowd = Array.from({ length: CROWD }, (_, n) => ({
      netns: sandbox(`x${n}`),
      host: HOSTS[n % 2] as Host,
    }))
    // Whoever meets a killed daemon or store asks again, the same.
    const connect = ({ netns, host }: { netns: string; host: Host }): Promise<void> =>
      until(async () => (await lanyard(host, `network connect lan ${netns}`)).status === 0)
    const kill = async (): Promise<void> => {
      await endDaemon('alpha', 'SIGKILL')
      await startDaemon('alpha')
      const [member] = etcd.members
      await member?.kill()
      await member?.start()
      await endDaemon('beta', 'SIGKILL')
      await startDaemon('beta')
    }
    await Promise.all([...crowd.map(connect), kill()])
    const held = crowd.map(({ netns }) => addressIn(netns))
    expect(held).not.toContain('')
    expect(new Set(held).size).toBe(CROWD)
    const [first, last] = [crowd[0]?.netns ?? '', held.at(-1) ?? '']
    await until(() => pings(first, last))
    // What a killed connect left is mended by its own host.
    for (const host of HOSTS) await ok(host, 'status --heal')
    const checked = await ok('alpha', 'store check')
    const all = CROWD + 2
    expect(checked).toBe(`1 networks, ${all} endpoints, ${all} addresses, 2 hosts: clean\n`)
  })
})
