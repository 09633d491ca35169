/**
 * Two hosts on a real etcd that goes away: endpoints come on spares at once, and when it is back it
 * is told; a host that is cut off, an etcd put back to an older state, two hosts with one id.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeKernel } from '../describe-kernel.ts'
import { buildProgram, removeProgram } from '../support/program.ts'
import { type Host, HOSTS, TwoHosts, until } from '../support/two-hosts.ts'

/** As the daemon has it when nobody says. */
const SPARES = 4
/** Within what Docker waits for a plugin; the first one that comes has to find it out. */
const FIRST_MS = 20_000
/** Then it is known. */
const NEXT_MS = 3000

const pings = (from: string, to: string): boolean =>
  spawnSync('ip', ['netns', 'exec', from, 'ping', '-c1', '-W2', '-q', to]).status === 0

describeKernel('two hosts on an etcd that goes away', () => {
  let hosts: TwoHosts
  const ok = async (host: Host, line: string): Promise<string> => {
    const { status, stdout, stderr } = await hosts.lanyard(host, line)
    expect([line, status, stderr]).toEqual([line, 0, stderr])
    return stdout
  }
  /** Address -> host, of what is held as a spare. */
  const spares = (): Map<string, string> => {
    const found = new Map<string, string>()
    for (const { key, value } of hosts.keys('/lanyard/ipam/end/')) {
      const { addresses, host } = JSON.parse(value) as { addresses: string[]; host: string }
      const of = HOSTS.find((one) => host.endsWith(one))
      if (key.includes('/~')) for (const one of addresses) found.set(one, of ?? '')
    }
    return found
  }
  const heldBy = (host: Host): string[] =>
    [...spares()].filter(([, of]) => of === host).map(([address]) => address)
  const full = (): Promise<void> =>
    until(() => HOSTS.every((host) => heldBy(host).length === SPARES))
  /** Connects a new sandbox. @returns its namespace and address, and how long it took */
  const come = async (host: Host, name: string) => {
    const netns = hosts.sandbox(name)
    const since = performance.now()
    await ok(host, `network connect lan ${netns}`)
    return { netns, address: hosts.addressIn(netns), ms: performance.now() - since }
  }
  /** The store has the endpoint, with that address, on that host. */
  const isTold = (host: Host, { netns, address }: { netns: string; address: string }): boolean =>
    hosts
      .keys(`/lanyard/ipam/end/eth0/lan/${netns}`)
      .some(({ value }) => value.includes(`"${address}"`) && value.includes(`${host}"`))
  const isClean = async (endpoints: number): Promise<void> => {
    await full()
    expect(await ok('alpha', 'store check')).toBe(
      `1 networks, ${endpoints} endpoints, ${endpoints} addresses, 8 spares, 2 hosts: clean\n`,
    )
  }

  beforeAll(async () => {
    await buildProgram()
    hosts = await TwoHosts.open()
    for (const host of HOSTS) await hosts.startDaemon(host)
    for (const host of HOSTS)
      await ok(host, 'network create --subnet 10.9.0.0/24 --gateway 10.9.0.1 -o parent=eth0 lan')
    await full()
  })
  afterAll(async () => {
    await hosts.close()
    removeProgram()
  })

  test('spares are seen, and are nobody else’s', async () => {
    const [mine = ''] = heldBy('alpha')
    const list = await ok('beta', 'ip ls lan')
    expect(list).toMatch(new RegExp(`^${mine} +lan +alpha +spare .* alpha$`, 'm'))
    expect(await ok('beta', `ip who ${mine}`)).toContain('a spare of host alpha for network lan')
    const netns = hosts.sandbox('no')
    const refused = await hosts.lanyard('beta', `network connect lan ${netns} --ip ${mine}`)
    expect(refused.stderr).toContain(`${mine} is held by a spare of host alpha of "lan"`)
    await isClean(0)
  })

  test('etcd stands still: containers go on starting, and it is told', async () => {
    const [member] = hosts.etcd.members
    const [a, b] = [heldBy('alpha'), heldBy('beta')]
    member?.signal('SIGSTOP')
    const first = await come('alpha', 'c1')
    const next = await come('alpha', 'c2')
    const other = await come('beta', 'c3')
    expect(first.ms).toBeLessThan(FIRST_MS)
    expect(next.ms).toBeLessThan(NEXT_MS)
    expect(a).toContain(first.address)
    expect(a).toContain(next.address)
    expect(b).toContain(other.address)
    await until(() => pings(first.netns, other.address))
    const taken = hosts.sandbox('c4')
    const refused = await hosts.lanyard('alpha', `network connect lan ${taken} --ip 10.9.0.250`)
    expect(refused.stderr).toContain(
      'the store does not answer, and of network lan 10.9.0.250 is not among this host',
    )
    member?.signal('SIGCONT')
    await until(() => isTold('alpha', first) && isTold('alpha', next) && isTold('beta', other))
    const wish = `network connect lan ${taken} --ip ${first.address}`
    const late = await hosts.lanyard('beta', wish)
    expect(late.stderr).toContain(`is held by endpoint "${first.netns}" on host alpha`)
    await until(() => pings(first.netns, other.address))
    await isClean(3)
  })

  test('etcd and a daemon are killed: what came on a spare is told at the next start', async () => {
    const [member] = hosts.etcd.members
    const mine = heldBy('alpha')
    await member?.kill()
    const came = await come('alpha', 'k1')
    expect(mine).toContain(came.address)
    await hosts.endDaemon('alpha')
    await member?.start()
    // It may come on a spare, too: that etcd is back is heard within seconds.
    const other = await come('beta', 'k2')
    expect(other.address).not.toBe(came.address)
    await hosts.startDaemon('alpha')
    await until(() => isTold('alpha', came) && isTold('beta', other))
    expect(hosts.addressIn(came.netns)).toBe(came.address)
    await isClean(5)
  })

  test('a host is cut off by its namespace; the other goes on', async () => {
    const mine = heldBy('alpha')
    hosts.cutOff('alpha', true)
    const [there, here] = [await come('beta', 'n1'), await come('alpha', 'n2')]
    expect(here.ms).toBeLessThan(FIRST_MS)
    expect(mine).toContain(here.address)
    hosts.cutOff('alpha', false)
    await until(() => isTold('alpha', here))
    await until(() => pings(here.netns, there.address))
    await isClean(7)
  })

  test('etcd is put back to an older state: nothing is lost or doubled', async () => {
    const [member] = hosts.etcd.members
    const folder = member?.folder ?? ''
    await member?.kill()
    cpSync(folder, `${folder}.old`, { recursive: true })
    await member?.start()
    await until(() =>
      ok('alpha', 'ip ls').then(
        () => true,
        () => false,
      ),
    )
    const later = [await come('alpha', 'r1'), await come('beta', 'r2'), await come('alpha', 'r3')]
    await full()
    // Each host keeps a copy of its own, a moment after each change.
    await sleep(1000)
    await member?.kill()
    rmSync(folder, { recursive: true })
    cpSync(`${folder}.old`, folder, { recursive: true })
    const meanwhile = await come('alpha', 'r4')
    await member?.start()
    const all = [...later, meanwhile]
    await until(() => all.every((one, i) => isTold(i === 1 ? 'beta' : 'alpha', one)))
    expect(new Set(all.map((one) => one.address)).size).toBe(4)
    for (const { netns, address } of all) expect(hosts.addressIn(netns)).toBe(address)
    await isClean(11)
  })

  test('two hosts with one machine-id are refused, and named', async () => {
    await hosts.endDaemon('beta')
    hosts.callItself('beta', 'alpha')
    const { ended } = hosts.started('beta', 'daemon --log-level warn')
    const { status, stderr } = await ended
    expect(status).not.toBe(0)
    expect(stderr).toMatch(/two hosts have the machine-id \S+alpha: this one \(beta\), and alpha/)
    hosts.callItself('beta', 'beta')
    await hosts.startDaemon('beta')
    await isClean(11)
  })
})
