/**
 * One run of the model: two or three hosts with the real engine, one store, and everything that can
 * go wrong between them, drawn from a seed. At the end faults cease, and what is left must agree.
 */
import { formatIp, type Ip } from '../../src/addr/ip.ts'
import { LanyardError } from '../../src/errors.ts'
import type { HostEngine } from '../../src/engine/engine.ts'
import type { NetworkSpec } from '../../src/engine/types.ts'
import { openSim, type SimFabric } from '../../src/sim/fabric.ts'
import { Random } from '../../src/sim/random.ts'
import { netnsOps } from '../lan.ts'
import { ModelHost, type Shared } from './host.ts'
import {
  checkAnswer,
  checkLive,
  checkSpares,
  checkTable,
  heldAtEnd,
  liveOnes,
  type Live,
  Violation,
  writtenOf,
} from './invariants.ts'
import { type Known, knownOf, Names, onSpare } from './names.ts'
import { type Life, type Pending, quiet, Schedule } from './schedule.ts'
import { type Mutation, Truth } from './truth.ts'
import {
  ENDPOINTS,
  EXCUSES,
  FIRST,
  FORBIDDEN,
  LAST,
  MORE,
  networkOf,
  sandboxesOf,
  SEGMENT,
  SHARED_MAC,
} from './world.ts'

export interface RunOptions {
  readonly seed: number
  readonly hosts?: number
  readonly steps?: number
  /** How many spares a host holds. Default one or two in every other world, else none. */
  readonly spares?: number
  /** The host clocks are off by up to an hour, and jump. Default true. */
  readonly skew?: boolean
  /** Breaks the protocol, to see that the model notices: what is asked, what is written down. */
  readonly mutation?: Mutation
  readonly writes?: (text: string) => string
}

export interface RunResult {
  readonly seed: number
  readonly steps: number
  /** Requests, and how many connects among them were answered. */
  readonly asked: number
  readonly answered: number
  /** Of these, those that were answered while the store was away. */
  readonly onSpares: number
  /** Endpoints whose last answer was sure, and was found true at the end. */
  readonly agreed: number
  /** Addresses in the order they were answered. */
  readonly given: readonly string[]
}

/** What is to be known of a request's end. */
interface Asking<T> {
  /** The endpoint it is about. */
  readonly known?: Known
  done?(answer: T): void
  failed?(error: unknown): void
}

/** A request under way. */
interface Asked {
  readonly life: Life
  readonly known: Known | undefined
}

const ignore = (): void => undefined

/** What a failure can be read without. */
const DULL = /^(answer to )?(h\d: )?(range|get|snapshot|ipam|kernel|sleep)/

export class ModelRun {
  readonly #seed: number
  readonly #chance: Random
  readonly #schedule: Schedule
  readonly #truth: Truth
  readonly #sim: SimFabric
  readonly #hosts: readonly ModelHost[]
  readonly #names: Names
  readonly #known = knownOf(ENDPOINTS)
  readonly #given: string[] = []
  readonly #skew: boolean
  readonly #spares: number
  readonly #last: number
  readonly #network: NetworkSpec
  readonly #limit: number
  #kernelChanged = true
  #live: readonly Live[] = []
  #failure: Error | undefined
  #asked = 0
  #answered = 0
  #agreed = 0
  #steps = 0
  /** Not before all are there. */
  #faults = false
  readonly #open = new Set<Asked>()
  /** Hosts whose line to the store is bad, and those that have none. */
  readonly #bad = new Set<string>()
  readonly #away = new Set<string>()
  /** Connects that were answered on a spare. */
  #onSpares = 0

  constructor({
    seed,
    hosts = seed % 4 === 0 ? 3 : 2,
    steps = 400,
    skew = true,
    spares = seed % 2 === 0 ? 0 : 1 + (Math.floor(seed / 2) % 2),
    mutation,
    writes = (text) => text,
  }: RunOptions) {
    this.#seed = seed
    this.#spares = spares
    this.#last = LAST + (spares === 0 ? 0 : MORE)
    this.#network = networkOf(this.#last)
    this.#skew = skew
    this.#limit = steps
    this.#chance = new Random(seed)
    this.#schedule = new Schedule(this.#chance)
    this.#truth = new Truth(this.#schedule, mutation)
    this.#sim = openSim({ seed })
    const shared: Shared = {
      schedule: this.#schedule,
      truth: this.#truth,
      sim: this.#sim,
      kernelChanged: () => (this.#kernelChanged = true),
      died: (life) => this.#died(life),
      writes,
      sandboxesOf,
    }
    this.#hosts = Array.from(
      { length: hosts },
      (_, i) => new ModelHost(`h${i + 1}`, shared, seed + i * 1000, spares),
    )
    this.#names = new Names(this.#hosts, this.#truth, this.#schedule)
  }

  /** @throws Violation with what led to it */
  async run(): Promise<RunResult> {
    try {
      await this.#build()
      while (this.#steps < this.#limit) await this.#step()
      this.#faults = false
      await this.#heal()
      this.#agree()
    } catch (error) {
      const tail = this.#schedule.log
        .filter((line) => !DULL.test(line))
        .slice(-80)
        .join('\n  ')
      const what = error instanceof Error ? (error.stack ?? error.message) : String(error)
      throw new Violation(`seed ${this.#seed}, step ${this.#steps}: ${what}\n  ${tail}`)
    }
    const [seed, steps, asked] = [this.#seed, this.#steps, this.#asked]
    const [answered, onSpares, agreed] = [this.#answered, this.#onSpares, this.#agreed]
    return { seed, steps, asked, answered, onSpares, agreed, given: this.#given }
  }

  async #build(): Promise<void> {
    for (const { name } of this.#hosts) {
      for (const netns of sandboxesOf(name)) await this.#sim.apply(netnsOps(netns, { ip6: false }))
      await this.#sim.apply([
        { do: 'link.add', netns: name, name: 'eth0', spec: { kind: 'dummy' }, up: true },
      ])
    }
    for (const host of this.#hosts) host.start()
    await this.#settle()
    const [first] = this.#hosts
    if (first === undefined) throw new Error('there is no host')
    this.#ask(first, 'create', (engine) => engine.createNetwork(this.#network))
    await this.#settle()
    // Hosts that hold spares begin with some.
    for (const host of this.#spares > 0 ? this.#hosts : []) {
      this.#ask(host, 'create', (engine) => engine.createNetwork(this.#network))
      await this.#settle()
      this.#ask(host, 'reconcile', (engine) => engine.reconcile())
      await this.#settle()
    }
    this.#faults = true
    this.#steps = 0
  }

  /** One thing happens. */
  async #step(): Promise<void> {
    this.#steps++
    const dice = this.#chance.below(1000)
    if (this.#faults && dice < 36) await this.#disaster(dice)
    else if (this.#faults && dice < 156) this.#wish()
    else {
      const next = this.#schedule.take()
      if (next === undefined) {
        if (this.#faults) this.#wish()
      } else await this.#happen(next)
    }
    await quiet()
    await this.#check()
  }

  async #happen(next: Pending): Promise<void> {
    const schedule = this.#schedule
    const dice = this.#chance.below(100)
    // What only reads is asked for again by the client itself, until its patience ends.
    const bad = this.#bad.has(next.life?.host ?? '')
    const away = this.#away.has(next.life?.host ?? '')
    const odds = away ? 100 : next.reads === true ? (bad ? 3 : 1) : bad ? 80 : 10
    if (this.#faults && next.lose !== undefined && dice < odds) {
      // Its asker gives up; a request may be done for all that, later.
      const late = next.kind === 'request' && dice < odds / 2
      schedule.note(`lost${late ? ', late' : ''}: ${next.what}`)
      if (late) schedule.late(next.what, next.run)
      next.lose()
      return
    }
    if (this.#faults && next.kind === 'request' && next.reads !== true && dice < odds + 3) {
      schedule.note(`twice: ${next.what}`)
      schedule.late(next.what, next.run)
    }
    schedule.note(next.what)
    await next.run()
  }

  async #disaster(dice: number): Promise<void> {
    const host = this.#anyHost()
    if (this.#spares > 0 && this.#chance.below(4) === 0) this.#storeAway(host)
    else if (dice < 4) host.kill()
    else if (dice < 6) await host.reboot()
    else if (dice < 20) host.start()
    else if (dice < 22) this.#truth.compact()
    else if (dice < 25) this.#truth.pass(this.#chance.below(3_600_000))
    else if (dice < 32) this.#badLine(host, dice < 28)
    else {
      const off = (this.#chance.below(7200) - 3600) * 1000
      if (this.#skew) host.skewMs = off
    }
  }

  /** For a while hardly anything that a host writes is answered, however often it asks. */
  #badLine({ name }: ModelHost, isBad: boolean): void {
    if (isBad) this.#bad.add(name)
    else this.#bad.delete(name)
    this.#schedule.note(`the line of ${name} is ${isBad ? 'bad' : 'good'}`)
  }

  /** For a while the store does not answer a host at all, or none of them. */
  #storeAway({ name }: ModelHost): void {
    const some = this.#chance.below(2) === 0 ? [name] : this.#hosts.map((one) => one.name)
    const away = this.#away.size === 0 || this.#chance.below(3) === 0
    for (const one of some)
      if (away) this.#away.add(one)
      else this.#away.delete(one)
    this.#schedule.note(`the store ${away ? 'is away from' : 'is back for'} ${some.join()}`)
  }

  #anyHost(): ModelHost {
    return this.#hosts[this.#chance.below(this.#hosts.length)] as ModelHost
  }

  /** Most often one that nobody is busy with: of what overlaps no answer is sure. */
  #anyEndpoint(): string {
    const idle = ENDPOINTS.filter((name) => this.#known.get(name)?.open === 0)
    const some = idle.length === 0 || this.#chance.below(4) === 0 ? ENDPOINTS : idle
    return some[this.#chance.below(some.length)] ?? ''
  }

  /** Somebody wants something. */
  #wish(): void {
    const host = this.#anyHost()
    const name = this.#anyEndpoint()
    const [dice, third] = [this.#chance.below(100), this.#chance.below(this.#last - FIRST + 2)]
    if (!host.isUp || this.#open.size >= 6) return
    if (dice < 50) this.#connect(host, name, dice < 12 ? FIRST + third : undefined, dice % 8 === 0)
    else if (dice < 85) this.#disconnect(host, name)
    else if (dice < 88) this.#ask(host, 'create', (engine) => engine.createNetwork(this.#network))
    else if (this.#spares > 0 && dice < 92) this.#ask(host, 'beat', (engine) => engine.beat())
    else if (dice < 96) this.#ask(host, 'reconcile', (engine) => engine.reconcile())
    else if (dice < 98)
      this.#ask(host, 'reserve', (engine) => engine.reserve('lan', FIRST + third, name))
    else this.#ask(host, 'release', (engine) => engine.release('lan', FIRST + third))
  }

  /** Somebody asks a process for something. Once it is dead, nobody hears of it. */
  #ask<T>(
    host: ModelHost,
    what: string,
    work: (engine: HostEngine) => Promise<T>,
    { known, done = ignore, failed = ignore }: Asking<T> = {},
  ): void {
    const { engine, life } = host
    if (engine === undefined || life === undefined) return
    const text = `${host.name} ${what}`
    this.#schedule.note(`asked: ${text}`)
    this.#asked++
    const asking: Asked = { life, known }
    this.#open.add(asking)
    if (known !== undefined) known.open++
    const over = (how: string): boolean => {
      if (!this.#open.delete(asking)) return false
      if (known !== undefined) known.open--
      this.#schedule.note(`${text}: ${how}`)
      return true
    }
    work(engine).then(
      (answer) => {
        if (over('done')) this.#guarded(() => done(answer))
      },
      (error: unknown) => {
        if (!over(String(error))) return
        this.#guarded(() => {
          failed(error)
          if (!(error instanceof LanyardError) && !(error instanceof AggregateError)) throw error
        })
      },
    )
  }

  /** A process that dies leaves its callers without an answer. */
  #died(life: Life): void {
    for (const asking of this.#open) {
      if (asking.life !== life) continue
      this.#open.delete(asking)
      if (asking.known === undefined) continue
      asking.known.open--
      asking.known.sure = false
    }
  }

  /** What a test callback throws belongs to the run, not to the engine that called it. */
  #guarded(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#failure ??= error instanceof Error ? error : new Error(String(error))
    }
  }

  #connect(host: ModelHost, name: string, address: Ip | undefined, mac: boolean): void {
    const known = this.#knownOf(name)
    const alone = known.open === 0
    const before = known.here
    const rivalled = this.#names.hasRival(host, name)
    if (!alone) known.sure = false
    const wish = { network: 'lan', endpoint: name, sandbox: `${host.name}-${name}` }
    const exact = address === undefined ? {} : { addresses: [address] }
    const bears = mac ? { mac: SHARED_MAC + this.#chance.below(2) } : {}
    const text = `connect ${name}${address === undefined ? '' : ` ${formatIp(address)}`}`
    this.#ask(host, text, (engine) => engine.connect({ ...wish, ...exact, ...bears }), {
      known,
      done: (answer) => {
        this.#answered++
        const ips = answer.addresses.map((one) => one.address)
        const addresses = ips.map(formatIp).join()
        this.#given.push(`${name} ${addresses}`)
        if (onSpare(host, name)) this.#onSpares++
        checkAnswer(this.#truth, SEGMENT, host, name, ips)
        const apart = rivalled || onSpare(host, name) || this.#names.hasRival(host, name)
        const same = before?.host === host.name || !apart
        if (alone && before !== undefined && known.sure && same && before.addresses !== addresses)
          throw new Violation(`invariant 5: ${name} was ${before.addresses}, now ${addresses}`)
        if (!alone) return
        // A host that the store does not answer cannot know of another's endpoint of that name.
        const rival = (before !== undefined && !same) || this.#names.isOrphaned(host, name)
        known.here = { host: host.name, addresses }
        known.sure = known.open === 0 && !rival && !this.#names.hasRival(host, name)
      },
      failed: () => {
        if (!before || rivalled || this.#names.hasRival(host, name)) known.sure = false
      },
    })
  }

  #disconnect(host: ModelHost, name: string): void {
    const known = this.#knownOf(name)
    const alone = known.open === 0
    if (!alone) known.sure = false
    const before = known.here
    // It may arrive after this disconnect has looked, and before that is told.
    const came = this.#schedule.mayArrive(`+endpoint/lan/${name} `)
    this.#ask(host, `disconnect ${name}`, (engine) => engine.disconnect('lan', name), {
      known,
      done: () => {
        if (!alone) return
        known.here = undefined
        // Of a connect that nobody waits for any more some may still arrive.
        const comes = came || this.#schedule.mayArrive(`+endpoint/lan/${name} `)
        const theirs = this.#names.hasRival(host, name) || this.#names.isTheirs(host, name)
        known.sure = known.open === 0 && !comes && !theirs
      },
      failed: (error) => {
        const code = error instanceof LanyardError ? error.code : ''
        if (code === 'lease-elsewhere' && before !== undefined) return
        known.sure = false
        const missing =
          code === 'network-missing' && this.#truth.rows.get('network/lan') === undefined
        if (error instanceof LanyardError && !EXCUSES.includes(code) && !missing)
          throw new Violation(`invariant 7: disconnect of ${name} failed: ${error.message}`)
      },
    })
  }

  #knownOf(name: string): Known {
    const known = this.#known.get(name)
    if (known === undefined) throw new Error(`nobody knows ${name}`)
    return known
  }

  async #check(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#kernelChanged) {
      this.#live = await liveOnes(
        this.#sim,
        this.#hosts.map((h) => h.name),
        sandboxesOf,
      )
    }
    if (this.#kernelChanged || this.#truth.changed) {
      const written = new Map(this.#hosts.map((one) => [one.name, writtenOf(one.spares)]))
      checkLive(this.#live, this.#truth, SEGMENT, written)
      for (const [host, one] of written) checkSpares(this.#truth, SEGMENT, host, one)
      checkTable(this.#truth, SEGMENT, FORBIDDEN)
      this.#stays()
    }
    this.#kernelChanged = false
    this.#truth.changed = false
  }

  /** What was answered to be there, and nobody has asked about since, is there. */
  #stays(): void {
    for (const [name, { here, sure, open }] of this.#known) {
      if (here === undefined || !sure || open > 0) continue
      const host = this.#hosts.find((one) => one.name === here.host)
      const record =
        writtenOf(host?.spares).endpoints[`lan/${name}`] ??
        this.#truth.rows.get(`here/${here.host}-id/lan/${name}`)?.value
      const { phase } = JSON.parse(record ?? '{"phase":"gone"}') as { phase: string }
      if (phase !== 'here') throw new Violation(`${name} was answered to be here, and is ${phase}`)
    }
  }

  /** Faults cease: everybody is there, and looks around twice, a grace time apart. */
  async #heal(): Promise<void> {
    await this.#settle()
    for (const host of this.#hosts) host.start()
    await this.#settle()
    for (let look = 0; look < 2; look++) {
      for (const host of this.#hosts) {
        host.skewMs = 0
        if (!host.isUp) throw new Error(`${host.name} does not come up`)
        this.#ask(host, 'reconcile', (engine) => engine.reconcile())
      }
      await this.#settle()
      this.#truth.pass(61_000)
    }
    await this.#settle()
  }

  async #settle(): Promise<void> {
    await quiet()
    for (let i = 0; i < 20_000; i++) {
      if (this.#schedule.size === 0) return
      await this.#step()
    }
    throw new Error('it does not come to rest')
  }

  /** Kernel, table and answers say the same. */
  #agree(): void {
    const held = heldAtEnd(
      this.#truth,
      SEGMENT,
      this.#hosts.map((one) => [one.name, writtenOf(one.spares)]),
    )
    const live = this.#live.map((one) => one.sandbox)
    if (held.toSorted().join() !== live.toSorted().join())
      throw new Violation(`at the end ${held.join()} hold addresses, and ${live.join()} live`)
    const records = this.#truth.under('endpoint/').map((row) => row.key.split('/')[2] ?? '')
    for (const [name, { here, sure }] of this.#known) {
      if (!sure) continue
      this.#agreed++
      const now = this.#live.find((one) => one.sandbox.endsWith(`-${name}`))
      const text = now === undefined ? 'gone' : `${now.host} ${formatIp(now.ip)}`
      const answered = here === undefined ? 'gone' : `${here.host} ${here.addresses}`
      if (text !== answered || (here === undefined) === records.includes(name))
        throw new Violation(`${name} was answered to be ${answered}, and is ${text}`)
    }
  }
}
