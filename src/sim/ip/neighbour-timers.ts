/**
 * Timers of neighbours. All that fall on one tick of the wheel share one event, whatever link they
 * belong to; a timer that is not needed any more leaves its tick, as `del_timer` takes it off the
 * wheel, so that nothing is kept of a neighbour that was forgotten.
 */
import { EV_NEIGHBOUR_TIMER, type World } from '../model.ts'
import { type Neighbour, Tick } from './state.ts'

const MS = 1_000_000

/** Ticks to come, of a world. */
export class NeighbourTimers {
  readonly ticks = new Map<number, Tick>()
  /** Those asked for last: one a second ahead, one five seconds ahead, most of the time. */
  recent: Tick | undefined = undefined
  before: Tick | undefined = undefined
}

function timersOf(world: World): NeighbourTimers {
  return (world.stackState ??= new NeighbourTimers()) as NeighbourTimers
}

function tickAt(world: World, atMs: number): Tick {
  const timers = timersOf(world)
  const { recent, before } = timers
  if (recent?.atMs === atMs) return recent
  let tick = before?.atMs === atMs ? before : timers.ticks.get(atMs)
  if (tick === undefined) {
    tick = new Tick(atMs)
    timers.ticks.set(atMs, tick)
    world.queue.push(atMs * MS, EV_NEIGHBOUR_TIMER, -1, tick)
  }
  timers.before = recent
  timers.recent = tick
  return tick
}

/** Has a neighbour looked at when a tick comes. It must not wait for another. */
export function addTimer(world: World, n: Neighbour, atMs: number): void {
  const tick = tickAt(world, atMs)
  n.tick = tick
  n.before = tick.last
  if (tick.last === undefined) tick.first = n
  else tick.last.after = n
  tick.last = n
}

/** `neigh_del_timer`, when a neighbour is forgotten. */
export function dropTimer(n: Neighbour): void {
  n.timerAt = 0
  const { tick, before, after } = n
  if (tick === undefined) return
  if (before === undefined) tick.first = after
  else before.after = after
  if (after === undefined) tick.last = before
  else after.before = before
  n.tick = undefined
  n.before = undefined
  n.after = undefined
}

/** A tick has come. @param look called for each neighbour, which waits for nothing then */
export function runTick(
  world: World,
  tick: Tick,
  look: (world: World, n: Neighbour) => void,
): void {
  const timers = timersOf(world)
  timers.ticks.delete(tick.atMs)
  if (timers.recent === tick) timers.recent = undefined
  if (timers.before === tick) timers.before = undefined
  for (let n = tick.first; n !== undefined; n = tick.first) {
    // What is looked at may send, and what it sends may have others forgotten.
    const { timerAt } = n
    dropTimer(n)
    n.timerAt = timerAt
    look(world, n)
  }
}
