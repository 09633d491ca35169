/** A host of the model: the real engine on a simulated kernel, in a process that may die. */
import { type HostEngine, openEngine } from '../../src/engine/engine.ts'
import type { SparesOptions } from '../../src/engine/spares.ts'
import { LanyardError } from '../../src/errors.ts'
import type { Fabric } from '../../src/fabric/fabric.ts'
import type { Plan } from '../../src/fabric/plan.ts'
import type { SimFabric } from '../../src/sim/fabric.ts'
import type { Life, Schedule } from './schedule.ts'
import type { Truth } from './truth.ts'

/** What the hosts of one run have in common. */
export interface Shared {
  readonly schedule: Schedule
  readonly truth: Truth
  readonly sim: SimFabric
  /** Called when the kernel of some host may have changed. */
  kernelChanged(): void
  /** What comes of what a host writes down of its spares. */
  writes(text: string): string
  /** A process is dead: nobody hears what it was asked for. */
  died(life: Life): void
  /** The namespaces of a host, its own the first. */
  sandboxesOf(host: string): readonly string[]
}

const nothing = (): void => undefined

export class ModelHost {
  readonly name: string
  readonly #shared: Shared
  #life: Life | undefined
  engine: HostEngine | undefined
  /** How far its clock is off. */
  skewMs = 0
  #boot = 1
  #file: string | undefined
  /** What it wrote down of its spares. */
  spares: string | undefined
  #seed: number

  readonly #count: number

  /** @param spares how many it holds */
  constructor(name: string, shared: Shared, seed: number, spares: number) {
    this.name = name
    this.#shared = shared
    this.#seed = seed
    this.#count = spares
  }

  get isUp(): boolean {
    return this.engine !== undefined
  }

  get life(): Life | undefined {
    return this.#life
  }

  /** A daemon starts; whether it comes so far is chance. */
  start(): void {
    const { schedule, truth } = this.#shared
    if (this.#life !== undefined) return
    const life: Life = { host: this.name, dead: false }
    this.#life = life
    schedule.note(`${this.name} starts`)
    const random = (count: number) =>
      Uint8Array.from({ length: count }, () => (this.#seed = (this.#seed * 75 + 74) % 65537))
    const clock = {
      nowNs: () => truth.nowMs * 1e6,
      sleep: (ms: number) => this.#sleep(life, ms),
    }
    openEngine({
      fabric: this.#fabric(life),
      store: truth.reachedBy(life),
      random,
      now: () => truth.nowMs + this.skewMs,
      host: this.name,
      clock,
      self: {
        id: `${this.name}-id`,
        name: this.name,
        boot: `boot-${this.#boot}`,
        random: () => (this.#seed = (this.#seed * 75 + 74) % 65537) / 65537,
        copy: {
          read: () => this.#file,
          write: (text) => {
            if (!life.dead) this.#file = text
          },
        },
        ...(this.#count === 0 ? {} : { spares: this.#sparesOf(life) }),
      },
    }).then(
      (engine) => {
        if (life.dead) return
        this.engine = engine
        schedule.note(`${this.name} serves`)
      },
      (error: unknown) => {
        if (life.dead) return
        schedule.note(`${this.name} does not start: ${String(error)}`)
        if (!(error instanceof LanyardError)) throw error
        this.kill()
      },
    )
  }

  #sparesOf(life: Life): SparesOptions {
    const write = (text: string): void => {
      if (life.dead) return
      this.spares = this.#shared.writes(text)
      this.#shared.kernelChanged()
    }
    return { count: this.#count, least: 1, file: { read: () => this.spares, write } }
  }

  /** kill -9: of what it asked the kernel for at that moment, some is done. */
  kill(): void {
    const { schedule, truth } = this.#shared
    const life = this.#life
    if (life === undefined) return
    life.dead = true
    this.#life = undefined
    this.engine = undefined
    truth.forget(life)
    this.#shared.died(life)
    schedule.note(`${this.name} is killed`)
    for (const work of schedule.bury(life)) if (schedule.chance.below(2) === 0) void work.run()
  }

  /** The machine goes down: namespaces and links go, files stay. */
  async reboot(): Promise<void> {
    this.kill()
    this.#boot++
    const { schedule, sim } = this.#shared
    schedule.note(`${this.name} reboots`)
    const [, ...sandboxes] = this.#shared.sandboxesOf(this.name)
    const { netns } = await sim.snapshot({ netns: sandboxes })
    const plan = netns.flatMap(
      (one): Plan =>
        one.links
          .filter((link) => link.name !== 'lo')
          .map((link) => ({ do: 'link.del', netns: one.name, name: link.name })),
    )
    await sim.apply(plan, { keepGoing: true })
    this.#shared.kernelChanged()
  }

  #sleep(life: Life, ms: number): Promise<void> {
    const { schedule, truth } = this.#shared
    const due = truth.nowMs + ms
    return new Promise((resolve) => {
      const run = (): void => {
        if (truth.nowMs < due) truth.pass(due - truth.nowMs)
        if (!life.dead) resolve()
      }
      schedule.add({ life, kind: 'timer', what: `sleep ${ms}`, run })
    })
  }

  /** The kernel's answer takes its time, and a process may die before it or after. */
  #fabric(life: Life): Fabric {
    const { schedule, sim } = this.#shared
    const ask = <T>(what: string, work: () => Promise<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        const run = async (): Promise<void> => {
          const answer = await work().then(
            (value) => () => resolve(value),
            (error: unknown) => () => reject(error),
          )
          this.#shared.kernelChanged()
          if (life.dead) return
          const back = (): void => {
            if (!life.dead) answer()
          }
          schedule.add({ life, kind: 'kernel', what: `kernel's answer`, run: back })
        }
        schedule.add({ life, kind: 'kernel', what, run })
      })
    return {
      kind: 'sim',
      clock: sim.clock,
      apply: (plan, options) => ask(`apply ${plan.length}`, () => sim.apply(plan, options)),
      // A machine sees its own namespaces only.
      snapshot: ({ netns, ...parts } = {}) => {
        const own = netns ?? this.#shared.sandboxesOf(this.name)
        return ask('snapshot', () => sim.snapshot({ ...parts, netns: own }))
      },
      probe: async () => [],
      // Parents stay as they are here; walks come by themselves.
      watch: async () => ({ close: nothing }),
      // What is said on the LAN is not the model's matter.
      openPort: async () => ({ send: nothing, post: nothing, close: nothing }),
      listen: (netns, service) => sim.listen(netns, service),
      settle: async () => undefined,
      close: async () => undefined,
    }
  }
}
