/**
 * A host on a LAN, to try the program on as typed by hand: a namespace that plays the host, with a
 * switch, a router and a foreign host outside of it. What `ip` says there is the judge.
 */
import { type ChildProcess, execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect } from 'vitest'
import { ask, type Reply } from './daemon.ts'
import { type Ended, PROGRAM, startProgram } from './program.ts'

/** Its card, as in seed 000. */
export const CARD = 'enp0s8'
/** 192.168.8.0/24, as in seed 000: the router, the host, the foreign host. */
export const ROUTER_IP = '192.168.8.1'
export const HOST_IP = '192.168.8.110'
export const PEER_IP = '192.168.8.9'

interface AddressRow {
  readonly ifname: string
  readonly addr_info: readonly { readonly local: string; readonly scope: string }[]
}

export class HostLan {
  /** Worlds of two files at the same time keep out of each other's way. */
  readonly tag: string
  readonly folder = mkdtempSync(join(tmpdir(), 'lanyard-'))
  #daemons: ChildProcess[] = []

  constructor(name: string) {
    this.tag = `${name}${process.pid}`
    this.#removeNamespaces()
    for (const one of ['sw', 'host', 'gw', 'peer']) ip(`netns add ${this.ns(one)}`)
    ip(`-n ${this.ns('sw')} link add br0 type bridge`)
    ip(`-n ${this.ns('sw')} link set br0 up`)
    this.plugIn('host', CARD, 'p0')
    this.plugIn('gw', 'eth0', 'p1')
    this.plugIn('peer', 'eth0', 'p2')
    for (const [at, link, address] of [
      ['host', CARD, HOST_IP],
      ['gw', 'eth0', ROUTER_IP],
      ['peer', 'eth0', PEER_IP],
    ] as const)
      ip(`-n ${this.ns(at)} address add ${address}/24 dev ${link}`)
  }

  /** The namespace that is called so here. */
  ns(short: string): string {
    return `${this.tag}-${short}`
  }

  get socket(): string {
    return join(this.folder, 'run', 'lanyard.sock')
  }

  /** A cable from a port of the switch to a card; both are made. */
  plugIn(at: string, card: string, port: string): void {
    ip(`link add ${card} netns ${this.ns(at)} type veth peer name ${port} netns ${this.ns('sw')}`)
    ip(`-n ${this.ns('sw')} link set ${port} master br0 up`)
    for (const one of [card, 'lo']) ip(`-n ${this.ns(at)} link set ${one} up`)
  }

  /** Empty namespaces. */
  boxes(...names: readonly string[]): void {
    for (const name of names) ip(`netns add ${this.ns(name)}`)
  }

  /** `lanyard LINE` on the host; words are apart by one space. */
  start(line: string, env: Readonly<Record<string, string>> = {}, program?: string) {
    const own = { LANYARD_SOCKET: this.socket, LANYARD_STATE: join(this.folder, 'state'), ...env }
    const inHost = ['nsenter', `--net=/run/netns/${this.ns('host')}`]
    return startProgram(line.split(' '), own, inHost, program)
  }

  run(line: string): Promise<Ended> {
    return this.start(line).ended
  }

  /** The command's output, which must have gone well. */
  async ok(line: string): Promise<string> {
    const { status, stdout, stderr } = await this.run(line)
    expect([line, status, stderr]).toEqual([line, 0, stderr])
    return stdout
  }

  /** Starts a daemon and waits until it answers. @param program another that is bundled beside */
  async startDaemon(
    env: Readonly<Record<string, string>> = {},
    program?: string,
  ): Promise<ChildProcess> {
    const path = program === undefined ? undefined : join(dirname(PROGRAM), `${program}.mjs`)
    const { child, ended } = this.start('daemon --log-level warn', env, path)
    this.#daemons.push(child)
    let failed: Ended | undefined
    void ended.then((end) => (failed = end))
    await until(async () => {
      if (failed !== undefined) throw new Error(failed.stderr)
      const version = this.ask('GET', '/v1/version')
      return await version.then(({ json }) => json['pid'] === child.pid).catch(() => false)
    })
    return child
  }

  async stopDaemon(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
    child.kill(signal)
    await this.ended(child)
  }

  /** Waits for the end of a daemon. */
  async ended(child: ChildProcess): Promise<void> {
    if (child.exitCode === null && child.signalCode === null)
      await new Promise((resolve) => child.once('exit', resolve))
    this.#daemons = this.#daemons.filter((one) => one !== child)
  }

  ask(method: string, path: string, body?: unknown): Promise<Reply> {
    return ask(this.socket, method, path, body === undefined ? undefined : JSON.stringify(body))
  }

  /** Names of the links in a namespace, without lo. */
  links(at: string): string[] {
    const rows = JSON.parse(ip(`-n ${this.ns(at)} -j link`)) as { ifname: string }[]
    return rows.map(({ ifname }) => ifname).filter((name) => name !== 'lo')
  }

  /** IPv4 addresses of a namespace, as `eth0 192.168.8.2`. */
  addresses(at: string): string[] {
    const rows = JSON.parse(ip(`-n ${this.ns(at)} -4 -j addr`)) as AddressRow[]
    return rows.flatMap(({ ifname, addr_info }) =>
      addr_info.filter((a) => a.scope === 'global').map((a) => `${ifname} ${a.local}`),
    )
  }

  mac(at: string, link: string): string {
    const [row] = JSON.parse(ip(`-n ${this.ns(at)} -j link show ${link}`)) as { address: string }[]
    return row?.address ?? ''
  }

  pings(from: string, to: string): boolean {
    const words = ['netns', 'exec', this.ns(from), 'ping', '-c1', '-W1', '-q', to]
    return spawnSync('ip', words).status === 0
  }

  async close(): Promise<void> {
    for (const child of [...this.#daemons]) await this.stopDaemon(child, 'SIGKILL')
    this.#removeNamespaces()
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** The namespaces of this world that are there. */
  namespaces(): string[] {
    if (!existsSync('/run/netns')) return []
    return readdirSync('/run/netns').filter((name) => name.startsWith(`${this.tag}-`))
  }

  #removeNamespaces(): void {
    for (const name of this.namespaces()) ip(`netns del ${name}`)
  }
}

/** The output of `ip LINE`, which must go well. */
export function ip(line: string): string {
  return execFileSync('ip', line.split(' '), { encoding: 'utf8' })
}

/** Waits for a state; the test's own time limit ends it. */
export async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await what())) await new Promise((resolve) => setTimeout(resolve, 20))
}
