/** The table of connections as a program reads it (ctnetlink). */
import type { World } from '../../model.ts'
import { netnsIp } from '../state.ts'
import type { Connection } from './connections.ts'

export interface ListedConnection extends Readonly<Connection> {
  /** Until it is forgotten, whole seconds, as the kernel tells it: what has begun is over. */
  readonly seconds: number
}

/** None where nothing asks for connections, and of a namespace that is not there. */
export function listConnections(world: World, netns: string): readonly ListedConnection[] {
  const found = world.netns.get(netns)
  const nf = found === undefined ? undefined : netnsIp(found).netfilter
  if (nf === undefined) return []
  return [...nf.connections.values()]
    .filter(({ expires }) => expires >= world.now)
    .map((c) => ({ ...c, seconds: Math.max(0, Math.ceil((c.expires - world.now) / 1e9) - 1) }))
}
