/** Where a lab on this kernel has its nodes, and the words that run a command at one. */
import { join } from 'node:path'
import { netnsPrefix } from '../lab/identity.ts'

/** One folder a lab: NODE.mnt is a node's mount namespace, NODE.netns its /run/netns. */
export const LIVE_FOLDER = '/run/lanyard/live'

/** The file of a node's network namespace. */
export function nodeNetns(lab: string, node: string): string {
  return `/run/netns/${netnsPrefix(lab, undefined)}${node}`
}

/** What stands before a command to run it at a node. */
export function enterNode(lab: string, node: string): string[] {
  const mounts = join(LIVE_FOLDER, lab, `${node}.mnt`)
  return ['nsenter', `--mount=${mounts}`, `--net=${nodeNetns(lab, node)}`, '--']
}
