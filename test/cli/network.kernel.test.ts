/**
 * `lanyard network`, `run`, `ip` and `daemon` on a real kernel, as typed by hand: in a namespace
 * that plays the host, with a switch, a router and a foreign host outside of it.
 */
import { type ChildProcess, execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { describeKernel } from '../describe-kernel.ts'
import { ask } from '../support/daemon.ts'
import { buildProgram, type Ended, removeProgram, startProgram } from '../support/program.ts'

/** Runs of this file at the same time keep out of each other's way. */
const TAG = `dmk${process.pid}`
const HOST = `${TAG}-host`
const SUBNET = '--subnet=192.168.8.0/24 --gateway=192.168.8.1'
const IN_HOST = ['nsenter', `--net=/run/netns/${HOST}`]
const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all']

interface Inspected {
  readonly Containers: Readonly<Record<string, { readonly Name: string }>>
}

let folder: string
let daemons: ChildProcess[] = []

const socket = (): string => join(folder, 'run', 'lanyard.sock')
const env = () => ({ LANYARD_SOCKET: socket(), LANYARD_STATE: join(folder, 'state') })
const started = (line: string, wrap: readonly string[] = IN_HOST) =>
  startProgram(line.split(' '), env(), wrap)
const lanyard = (line: string, wrap?: readonly string[]): Promise<Ended> =>
  started(line, wrap).ended
const ip = (line: string): string => execFileSync('ip', line.split(' '), { encoding: 'utf8' })
const ours = (): string[] =>
  existsSync('/run/netns')
    ? readdirSync('/run/netns').filter((name) => name.startsWith(`${TAG}-`))
    : []
const pings = (from: string, to: string): boolean =>
  spawnSync('ip', ['netns', 'exec', from, 'ping', '-c1', '-W1', '-q', to]).status === 0

/** The command's output, which must have gone well. */
async function ok(line: string): Promise<string> {
  const { status, stdout, stderr } = await lanyard(line)
  expect([line, status, stderr]).toEqual([line, 0, stderr])
  return stdout
}

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await what())) await new Promise((resolve) => setTimeout(resolve, 20))
}

async function startDaemon(): Promise<ChildProcess> {
  const { child, ended } = started('daemon --log-level warn')
  daemons.push(child)
  let failed: Ended | undefined
  void ended.then((end) => (failed = end))
  await until(async () => {
    if (failed !== undefined) throw new Error(failed.stderr)
    const version = ask(socket(), 'GET', '/v1/version')
    return await version.then(({ json }) => json['pid'] === child.pid).catch(() => false)
  })
  return child
}

async function stopDaemon(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill(signal)
  await gone
  daemons = daemons.filter((one) => one !== child)
}

function makeLan(): void {
  for (const name of [HOST, `${TAG}-sw`, `${TAG}-gw`]) ip(`netns add ${name}`)
  ip(`-n ${TAG}-sw link add br0 type bridge`)
  ip(`-n ${TAG}-sw link set br0 up`)
  for (const [at, link, address, port] of [
    [HOST, 'enp0s8', '192.168.8.110', 'p0'],
    [`${TAG}-gw`, 'eth0', '192.168.8.1', 'p1'],
  ]) {
    ip(`link add ${link} netns ${at} type veth peer name ${port} netns ${TAG}-sw`)
    ip(`-n ${TAG}-sw link set ${port} master br0 up`)
    ip(`-n ${at} address add ${address}/24 dev ${link}`)
    for (const one of [link, 'lo']) ip(`-n ${at} link set ${one} up`)
  }
}

function removeLan(): void {
  for (const name of ours()) ip(`netns del ${name}`)
}

describeKernel('lanyard network on a kernel', () => {
  beforeAll(buildProgram)
  afterAll(removeProgram)
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lanyard-'))
    removeLan()
    makeLan()
  })
  afterEach(async () => {
    for (const child of [...daemons]) await stopDaemon(child, 'SIGKILL')
    removeLan()
    rmSync(folder, { recursive: true, force: true })
  })

  test('seed 000, no daemon: sandboxes reach each other, the router and the host', async () => {
    await ok(`network create -d macvlan ${SUBNET} -o parent=enp0s8 mcv`)
    expect(await ok('network ls')).toMatch(
      /^NETWORK ID +NAME +DRIVER +SCOPE\n\w{12} +mcv +macvlan +local\n$/,
    )
    const first = started(`run --network mcv --name ${TAG}-a -- sleep 60`)
    await until(async () => (await ok('ip ls -q')) === '192.168.8.2\n')
    await until(() => spawnSync('pgrep', ['-P', `${first.child.pid}`]).status === 0)
    const second = await lanyard(
      `run --network mcv --name ${TAG}-b -- sh -c ${['2', '1', '110']
        .map((n) => `ping\${IFS}-c1\${IFS}192.168.8.${n}`)
        .join('&&')}`,
    )
    expect([second.status, second.stderr]).toEqual([
      0,
      `${TAG}-b: 192.168.8.3/24 on eth0, gateway 192.168.8.1\n`,
    ])
    expect(second.stdout.match(/1 received/g)).toHaveLength(3)
    expect(pings(HOST, '192.168.8.2')).toBe(true)
    expect(await ok('ip who 192.168.8.2')).toMatch(/^192\.168\.8\.2: endpoint \S+-a of network mcv/)
    first.child.kill('SIGTERM')
    expect((await first.ended).status).toBe(143)
    expect(ours()).toEqual([`${TAG}-gw`, HOST, `${TAG}-sw`])
    expect(await ok('network rm mcv')).toBe('mcv\n')
    expect(ip(`-n ${HOST} -br link`)).not.toContain('ly-')
  })

  test('a daemon keeps everything over a restart, heals after kill -9', async () => {
    const first = await startDaemon()
    ip(`netns add ${TAG}-box`)
    await ok(`network create ${SUBNET} -o parent=enp0s8 mcv`)
    await ok(`network connect mcv ${TAG}-box`)
    const before = await ok('network inspect mcv')
    await stopDaemon(first, 'SIGTERM')
    expect([first.exitCode, existsSync(socket())]).toEqual([0, false])
    expect(pings(`${TAG}-box`, '192.168.8.1')).toBe(true)
    const second = await startDaemon()
    expect(await ok('network inspect mcv')).toBe(before)
    expect(await ok('status')).toContain(`process ${second.pid}`)
    await stopDaemon(second, 'SIGKILL')
    expect(existsSync(socket())).toBe(true)
    ip(`-n ${TAG}-box link del eth0`)
    expect(pings(`${TAG}-box`, '192.168.8.1')).toBe(false)
    await startDaemon()
    expect(pings(`${TAG}-box`, '192.168.8.1')).toBe(true)
    expect(await ok('network inspect mcv')).toBe(before)
    await ok(`network disconnect mcv ${TAG}-box`)
    expect(ip(`-n ${TAG}-box -br link`)).not.toContain('eth0')
  })

  test('kill -9 in the middle of connects: the next daemon agrees with the kernel', async () => {
    const first = await startDaemon()
    await ok(`network create ${SUBNET} -o parent=enp0s8 -o check=never mcv`)
    const boxes = Array.from({ length: 12 }, (_, i) => `${TAG}-k${i}`)
    for (const box of boxes) ip(`netns add ${box}`)
    const asked = boxes.map((box) =>
      ask(
        socket(),
        'POST',
        '/v1/networks/mcv/endpoints',
        JSON.stringify({ endpoint: box, sandbox: box }),
      ).catch(() => undefined),
    )
    await Promise.race(asked)
    await stopDaemon(first, 'SIGKILL')
    const answered = (await Promise.all(asked)).filter((reply) => reply?.status === 200)
    expect(answered.length).toBeGreaterThan(0)
    await startDaemon()
    expect((await lanyard('status')).status).toBe(0)
    const [shown] = JSON.parse(await ok('network inspect mcv')) as Inspected[]
    const kept = Object.values(shown?.Containers ?? {})
    // What was answered is there; what was not is there wholly or not at all.
    for (const reply of answered) {
      expect(kept.map((one) => one.Name)).toContain(reply?.json['name'])
    }
    for (const box of boxes) {
      const there = ip(`-n ${box} -br link`).includes('eth0')
      expect([box, there]).toEqual([box, kept.some((one) => one.Name === box)])
      await ok(`network connect -q mcv ${box}`)
    }
    const addresses = (await ok('ip ls mcv -q')).trim().split('\n')
    expect([addresses.length, new Set(addresses).size]).toEqual([12, 12])
  })

  test('equal requests at once get one answer, others each their own address', async () => {
    await startDaemon()
    ip(`netns add ${TAG}-box`)
    const create = `network create ${SUBNET} -o parent=enp0s8 mcv`
    const ids = await Promise.all([ok(create), ok(create)])
    expect(ids[0]).toBe(ids[1])
    const made = await Promise.all([1, 2, 3].map(() => ok(`network connect mcv ${TAG}-box`)))
    expect(new Set(made)).toEqual(
      new Set([`${TAG}-box: 192.168.8.2/24 on eth0, gateway 192.168.8.1\n`]),
    )
    expect(await ok('ip ls -q')).toBe('192.168.8.2\n')
  })

  test('who has an address: a foreign host that took it is named by its MAC', async () => {
    await ok(`network create ${SUBNET} -o parent=enp0s8 mcv`)
    ip(`-n ${TAG}-gw address add 192.168.8.77/24 dev eth0`)
    const mac = (JSON.parse(ip(`-n ${TAG}-gw -j link show eth0`)) as { address: string }[])[0]
      ?.address
    expect(await ok('ip who 192.168.8.77')).toBe(
      `192.168.8.77: ${mac} answers for it on the LAN, nobody of ours\n`,
    )
    ip(`netns add ${TAG}-box`)
    const { status, stderr } = await lanyard(`network connect --ip 192.168.8.77 mcv ${TAG}-box`)
    expect([status, stderr.includes(`${mac}`)]).toEqual([2, true])
    expect((await lanyard('ip who 192.168.8.78')).status).toBe(1)
  })

  test('run passes on status and signals, and sweeps what a killed one left', async () => {
    await ok(`network create ${SUBNET} -o parent=enp0s8 -o check=never mcv`)
    const run = (command: string) => lanyard(`run -q --network mcv --name ${TAG}-r -- ${command}`)
    expect((await run('sh -c exit${IFS}7')).status).toBe(7)
    expect(await run('nosuch')).toMatchObject({
      status: 127,
      stderr: 'lanyard: cannot run "nosuch": there is no such command\n',
    })
    expect((await run('/etc/passwd')).status).toBe(126)
    const killed = started(`run --network mcv --name ${TAG}-r -- sleep 61`)
    await until(() => spawnSync('pgrep', ['-P', `${killed.child.pid}`]).status === 0)
    const sleeper = execFileSync('pgrep', ['-P', `${killed.child.pid}`], { encoding: 'utf8' })
    killed.child.kill('SIGKILL')
    process.kill(Number(sleeper), 'SIGKILL')
    await killed.ended
    expect(ours()).toContain(`${TAG}-r`)
    expect((await run('true')).status).toBe(0)
    expect(ours()).not.toContain(`${TAG}-r`)
    // The address rests for a while; nobody has it.
    expect(await ok('ip ls')).not.toContain('endpoint')
  })

  test('an ordinary user is refused clearly, with and without a daemon', async () => {
    chmodSync(folder, 0o711)
    const alone = await lanyard('network ls', [...IN_HOST, ...NOBODY])
    expect(alone.status).toBe(3)
    expect(alone.stderr).toMatch(
      /^lanyard: no daemon runs at .* needs root: .*\nmend: start the daemon/,
    )
    const daemon = await lanyard('daemon', [...IN_HOST, ...NOBODY])
    expect([daemon.status, daemon.stderr]).toEqual([3, expect.stringContaining('CAP_NET_ADMIN')])
    await startDaemon()
    const { status, stderr } = await lanyard('network ls', [...IN_HOST, ...NOBODY])
    expect(status).toBe(3)
    expect(stderr).toMatch(/serves root and members of group "lanyard" only, and nobody is neither/)
    expect(stderr).toContain('mend: use sudo, or join the group')
  })

  test('a second daemon is refused with the first one’s pid', async () => {
    const first = await startDaemon()
    const { status, stderr } = await lanyard('daemon')
    expect([status, stderr]).toEqual([2, expect.stringContaining(`runs as process ${first.pid}`)])
    expect(readFileSync(`${socket()}.lock`, 'utf8')).toBe(`${first.pid}\n`)
  })
})
