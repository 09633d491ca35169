/** The part of a network that a few pairs need: real namespaces, without those beside the way. */
import type { NetnsSnapshot, Snapshot } from '../fabric/snapshot.ts'
import type { Classes } from './reach-classes.ts'
import type { Facts } from './reach-facts.ts'

/**
 * The snapshot of what stands between some namespaces, with everybody who matters to all; nobody
 * has met anybody there.
 */
export function partOf({ forest, always, tied }: Classes, needed: Iterable<number>): Snapshot {
  const { facts, parent, byName } = forest
  const kept = new Uint8Array(facts.length)
  const list: number[] = []
  const keep = (from: number): void => {
    for (let i = from; i >= 0 && kept[i] === 0; i = parent[i] as number) {
      kept[i] = 1
      list.push(i)
    }
  }
  for (let i = 0; i < always.length; i++) if (always[i] === 1) keep(i)
  for (const i of needed) keep(i)
  for (let i = 0; i < tied.length; i++) {
    if (tied[i] === 1 && kept[parent[i] as number] === 1) keep(i)
  }
  list.sort((a, b) => a - b)
  const isThere = (i: number, leads: string | undefined): boolean => {
    const other = leads === undefined ? undefined : byName.get(leads)
    // A cable to somebody who is left out is left out with him.
    return other === undefined || parent[other] !== i || kept[other] === 1
  }
  return { netns: list.map((i) => fresh(facts[i] as Facts, (leads) => isThere(i, leads))) }
}

function fresh(
  { snapshot, links }: Facts,
  isThere: (leads: string | undefined) => boolean,
): NetnsSnapshot {
  return {
    ...snapshot,
    links: links.filter((l) => isThere(l.leads)).map((l) => l.link),
    neighbours: snapshot.neighbours.filter((n) => n.state === 'permanent'),
    fdb: snapshot.fdb.filter((e) => e.state !== 'dynamic'),
  }
}
