/** Where the contract's suite runs. */
import type { Store } from './store.ts'

/** How the suite opens the engine under test. */
export interface StoreUnderTest {
  /** An empty place to keep things. */
  place(): Promise<Place>
  /** How long a change made on another handle may take to be told, in milliseconds. */
  readonly toldWithinMs: number
  /** How much later than its ttl an entry may go, in real milliseconds; 0 with a clock of ours. */
  readonly lateMs: number
  /** `false`: another run of the suite looks at expiry on the same engine. */
  readonly expires?: false
}

/** One place; every `open` is another handle on the same entries. */
export interface Place {
  open(options?: { readonly history?: number }): Promise<Store>
  /** Time as the engine sees it goes on by so much. */
  pass(ms: number): void | Promise<void>
  remove(): Promise<void>
}

/** Runs `work` on a fresh place. */
export async function on(
  engine: StoreUnderTest,
  work: (store: Store, place: Place) => Promise<void>,
  history?: number,
): Promise<void> {
  const place = await engine.place()
  const store = await place.open(history === undefined ? {} : { history })
  try {
    await work(store, place)
  } finally {
    await store.close()
    await place.remove()
  }
}
