/** What was there before a plan, as a snapshot tells; everything is undefined without one. */
import type { LinkSnapshot, NetnsSnapshot, Snapshot } from './snapshot.ts'

export interface Former {
  netns(name: string): NetnsSnapshot | undefined
  link(netns: string, name: string): LinkSnapshot | undefined
}

export function formerOf(snapshot: Snapshot | undefined): Former {
  const all = new Map(snapshot?.netns.map((netns) => [netns.name, netns]))
  return {
    netns: (name) => all.get(name),
    link: (netns, name) => all.get(netns)?.links.find((link) => link.name === name),
  }
}
