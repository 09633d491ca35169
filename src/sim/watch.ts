/**
 * `watch` of the simulated fabric: what changed is found by comparing the state with that of the
 * last look. A world only moves inside a call of the fabric, so a look after each op and each call
 * misses nothing but what came and went while time passed within one.
 */
import type { Ip } from '../addr/ip.ts'
import type { Closer, FabricEvent } from '../fabric/fabric.ts'
import { listAddresses, listNeighbours, listRoutes } from './ip/snapshot.ts'
import type { World } from './model.ts'

/** A thing that can come, go or change: its key, what it looks like, how to tell of it. */
interface Seen {
  readonly face: string
  readonly event: (change: 'new' | 'del') => FabricEvent
}

export class Watchers {
  readonly #world: World
  readonly #all = new Set<{
    readonly netns: readonly string[]
    readonly onEvent: (event: FabricEvent) => void
    seen: Map<string, Seen>
  }>()

  constructor(world: World) {
    this.#world = world
  }

  add(netns: readonly string[], onEvent: (event: FabricEvent) => void): Closer {
    const watcher = { netns, onEvent, seen: look(this.#world, netns) }
    this.#all.add(watcher)
    return { close: () => this.#all.delete(watcher) }
  }

  /** To be called after whatever may have moved the world. */
  tell(): void {
    for (const watcher of this.#all) {
      const now = look(this.#world, watcher.netns)
      const before = watcher.seen
      watcher.seen = now
      for (const [key, { event }] of before) if (!now.has(key)) watcher.onEvent(event('del'))
      for (const [key, { face, event }] of now) {
        if (before.get(key)?.face !== face) watcher.onEvent(event('new'))
      }
    }
  }

  clear(): void {
    this.#all.clear()
  }
}

function look(world: World, names: readonly string[]): Map<string, Seen> {
  const seen = new Map<string, Seen>()
  for (const name of names) {
    const netns = world.netns.get(name)
    if (netns === undefined) continue
    const ipEvent =
      (what: 'address' | 'route' | 'neighbour', link: string | undefined, ip: Ip | undefined) =>
      (change: 'new' | 'del'): FabricEvent => ({ what, change, netns: name, link, ip })
    for (const dev of netns.byIndex.values()) {
      const { up, index } = dev
      const carrier = up && dev.carrier
      seen.set(`${name} link ${index}`, {
        face: `${dev.name} ${up} ${carrier} ${dev.operState} ${dev.mac} ${dev.mtu}`,
        event: (change) => ({
          what: 'link',
          change,
          netns: name,
          name: dev.name,
          index,
          up,
          carrier,
        }),
      })
      for (const a of listAddresses(dev)) {
        const { address, length } = a.address
        const face = `${a.tentative} ${a.dadFailed}`
        const event = ipEvent('address', dev.name, address)
        seen.set(`${name} address ${index} ${address}/${length}`, { face, event })
      }
      for (const n of listNeighbours(dev)) {
        const event = ipEvent('neighbour', dev.name, n.ip)
        seen.set(`${name} neighbour ${index} ${n.ip}`, { face: `${n.state} ${n.mac}`, event })
      }
    }
    for (const r of listRoutes(netns)) {
      const key = `${name} route ${r.table} ${r.to.address}/${r.to.length} ${r.metric} ${r.link}`
      seen.set(key, { face: String(r.via), event: ipEvent('route', r.link, r.to.address) })
    }
  }
  return seen
}
