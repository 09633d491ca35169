/**
 * What has been asked for and has not happened yet: requests on their way to the store, replies on
 * their way back, work of the kernel, timers. Which of them happens next, or never, is chance.
 */
import type { Random } from '../../src/sim/random.ts'

/** A process of a host. What belongs to one that died never reaches it. */
export interface Life {
  readonly host: string
  dead: boolean
}

export type Kind = 'request' | 'reply' | 'kernel' | 'timer' | 'told'

export interface Pending {
  /** Undefined for what nobody waits for any more. */
  readonly life: Life | undefined
  readonly kind: Kind
  readonly what: string
  /** It changes nothing, wherever it gets lost. */
  readonly reads?: boolean
  /** It happens. */
  run(): void | Promise<void>
  /** Whoever asked is told that nobody knows; absent for what cannot get lost. */
  lose?(): void
}

export class Schedule {
  readonly chance: Random
  readonly #pending: Pending[] = []
  /** Messages nobody waits for any more, that lie somewhere on their way for long. */
  readonly #stray: Pending[] = []
  /** The last things that happened, for whoever reads about a failure. */
  readonly log: string[] = []

  constructor(chance: Random) {
    this.chance = chance
  }

  get size(): number {
    return this.#pending.length + this.#stray.length
  }

  add(pending: Pending): void {
    this.#pending.push(pending)
  }

  /** A message whose asker is dead or gave up: it arrives late, or after everybody forgot it. */
  late(what: string, run: Pending['run']): void {
    const to = this.chance.below(2) === 0 ? this.#pending : this.#stray
    to.push({ life: undefined, kind: 'request', what: `late ${what}`, run })
  }

  /** Whether a message nobody waits for, with this in it, may still arrive. */
  mayArrive(text: string): boolean {
    const orphans = this.#pending.filter((one) => one.life === undefined)
    return [...orphans, ...this.#stray].some((one) => one.what.includes(text))
  }

  note(text: string): void {
    this.log.push(text)
  }

  /** Any one of them; of what one life was promised in order, the first. */
  take(): Pending | undefined {
    if (this.#stray.length > 0 && (this.#pending.length === 0 || this.chance.below(100) === 0))
      return this.#stray.splice(this.chance.below(this.#stray.length), 1)[0]
    if (this.#pending.length === 0) return undefined
    const at = this.chance.below(this.#pending.length)
    const picked = this.#pending[at]
    // A watch tells in order, and timers of one process ring as they were set.
    const first =
      picked?.kind === 'told' || picked?.kind === 'timer'
        ? this.#pending.findIndex(
            (one) =>
              one.kind === picked.kind && one.life === picked.life && one.what === picked.what,
          )
        : at
    return this.#pending.splice(first, 1)[0]
  }

  /** A process died: what it asked for may still happen, what it was to hear it never hears. */
  bury(life: Life): readonly Pending[] {
    const kernel: Pending[] = []
    const rest = this.#pending.splice(0)
    for (const one of rest) {
      if (one.life !== life) this.#pending.push(one)
      else if (one.kind === 'request') {
        // Half of what was on the wire still arrives, some day.
        if (this.chance.below(2) === 0) this.late(one.what, one.run)
      } else if (one.kind === 'kernel') kernel.push(one)
    }
    return kernel
  }
}

/** Everything that follows without anybody's doing has happened. */
export const quiet = (): Promise<void> => new Promise((done) => setImmediate(done))
