/**
 * Two hosts on one LAN and one etcd, each with a kernel of its own (User Mode Linux): their cards
 * are taps on the switch, where etcd is, too. `buildProgramAnd(UML_PROGRAMS)` first.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import type { EtcdCluster } from '../support/etcd.ts'
import { type Ended, PROGRAM } from '../support/program.ts'
import {
  addSwitch,
  HOSTS,
  type Host,
  ip,
  type Pair,
  readKeys,
  startEtcdOn,
} from '../support/two-hosts.ts'
import type { GuestSetup, Passed } from './guest.ts'
import type { Answer, Order } from './orders.ts'
import type { SoakHosts, SoakReply } from './soak.ts'

/** Bundled beside the program. */
export const UML_PROGRAMS = { guest: 'test/soak/guest.ts', inside: 'test/soak/inside.ts' }

/** A guest on a busy machine boots slowly. */
const BOOT_MS = 180_000

interface Guest {
  readonly child: ChildProcess
  readonly waiting: Map<number, (answer: Answer) => void>
}

export class UmlHosts implements SoakHosts {
  readonly etcd: EtcdCluster
  readonly #switch: string
  readonly #guests: ReadonlyMap<Host, Guest>
  #next = 0

  private constructor(lan: string, etcd: EtcdCluster, guests: ReadonlyMap<Host, Guest>) {
    this.#switch = lan
    this.etcd = etcd
    this.#guests = guests
  }

  /** @param timeoutMs after it the guests are stopped, whatever they do */
  static async open(members: number, timeoutMs: number): Promise<UmlHosts> {
    const lan = `uml${process.pid}-sw`
    addSwitch(lan)
    let etcd: EtcdCluster | undefined
    let hosts: UmlHosts | undefined
    try {
      etcd = await startEtcdOn(lan, members)
      const store = `etcd://${etcd.endpoints.join(',')}`
      const guests = HOSTS.map((host, n) => {
        ip(`-n ${lan} tuntap add dev t${n} mode tap`)
        ip(`-n ${lan} link set t${n} master br0 up`)
        const [address, mac] = [`10.9.0.${n + 2}`, `02:00:00:00:09:0${n + 2}`]
        return [host, boot(lan, { host, address, store, tap: `t${n}`, mac, timeoutMs })] as const
      })
      const opened = new UmlHosts(lan, etcd, new Map(guests))
      hosts = opened
      await Promise.all(HOSTS.map((host) => opened.#booted(host)))
      return opened
    } catch (error) {
      if (hosts === undefined) await etcd?.stop()
      await hosts?.close()
      spawnSync('ip', ['netns', 'del', lan])
      throw error
    }
  }

  async close(): Promise<void> {
    for (const { child } of this.#guests.values()) {
      if (child.exitCode !== null) continue
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.disconnect()
      await gone
    }
    await this.etcd.stop()
    spawnSync('ip', ['netns', 'del', this.#switch])
  }

  async #booted(host: Host): Promise<void> {
    const end = performance.now() + BOOT_MS
    for (;;) {
      const answer = await this.#order(host, { do: 'run', words: ['--version'] })
      if ('ended' in answer) return
      if (performance.now() > end) throw new Error(`the guest of ${host} does not come`)
      await new Promise((done) => setTimeout(done, 500))
    }
  }

  async lanyard(host: Host, line: string): Promise<Ended> {
    const answer = await this.#order(host, { do: 'run', words: line.split(' ') })
    return 'ended' in answer ? answer.ended : fail(answer)
  }

  async ask(host: Host, method: string, path: string, body?: object): Promise<SoakReply> {
    const order = { do: 'ask', method, path, ...(body === undefined ? {} : { body }) } as const
    const answer = await this.#order(host, order)
    if (!('reply' in answer)) return fail(answer)
    const { status, text } = answer.reply
    let json: unknown
    try {
      json = JSON.parse(text)
    } catch {
      json = undefined
    }
    return { status, text, json: json as Record<string, unknown> }
  }

  async startDaemon(host: Host): Promise<void> {
    await this.#done(host, { do: 'start daemon' })
  }

  async endDaemon(host: Host): Promise<void> {
    await this.#done(host, { do: 'signal daemon', signal: 'SIGKILL' })
  }

  async signalDaemon(host: Host, signal: NodeJS.Signals): Promise<void> {
    await this.#done(host, { do: 'signal daemon', signal })
  }

  async sandbox(name: string, host: Host): Promise<string> {
    await this.#done(host, { do: 'add sandbox', netns: name })
    return name
  }

  async endSandbox(netns: string, host: Host): Promise<void> {
    await this.#done(host, { do: 'end sandbox', netns })
  }

  async addressIn(netns: string, host: Host): Promise<string> {
    const answer = await this.#order(host, { do: 'read address', netns })
    return 'address' in answer ? answer.address : fail(answer)
  }

  keys(prefix: string): readonly Pair[] {
    return readKeys(this.#switch, this.etcd, prefix)
  }

  async #done(host: Host, order: Order): Promise<void> {
    const answer = await this.#order(host, order)
    if ('failed' in answer) fail(answer)
  }

  #order(host: Host, what: Order): Promise<Answer> {
    const guest = this.#guests.get(host)
    const id = this.#next++
    return new Promise((resolve, reject) => {
      if (guest === undefined || guest.child.exitCode !== null)
        return reject(new Error(`the guest of ${host} is gone`))
      guest.waiting.set(id, resolve)
      guest.child.send({ id, what } satisfies Passed<Order>)
    })
  }
}

function fail(answer: Answer): never {
  throw new Error('failed' in answer ? answer.failed : JSON.stringify(answer))
}

function boot(lan: string, setup: Omit<GuestSetup, 'program' | 'folder'>): Guest {
  const folder = dirname(PROGRAM)
  const all: GuestSetup = { ...setup, folder, program: join(folder, 'inside.mjs') }
  const words = [`--net=/run/netns/${lan}`, process.execPath, join(folder, 'guest.mjs')]
  const child = spawn('nsenter', [...words, JSON.stringify(all)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const waiting = new Map<number, (answer: Answer) => void>()
  child.on('message', ({ id, what }: Passed<Answer>) => {
    waiting.get(id)?.(what)
    waiting.delete(id)
  })
  child.on('exit', () => {
    for (const resolve of waiting.values()) resolve({ failed: `the guest of ${setup.host} ended` })
    waiting.clear()
  })
  return { child, waiting }
}
