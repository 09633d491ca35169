/**
 * A snapshot of the whole machine: every namespace there is, read while nothing changed. When
 * something did, it is read again; when it never stands still, that is said.
 */
import type { Snapshot } from '../fabric/snapshot.ts'
import { GROUP } from '../netlink/event.ts'
import { LanyardError } from '../errors.ts'
import { findNamespaces, type FoundNamespace, type Unread, whyNot } from './namespaces.ts'
import { takeSnapshot } from './snapshot.ts'
import { type KernelTransport, openTransport } from './transport.ts'

const ATTEMPTS = 4
const PAUSE_MS = 40
/** What a snapshot is about; neighbours come and go all the time. */
const GROUPS = GROUP.link | GROUP.address4 | GROUP.address6 | GROUP.route4 | GROUP.route6
/** Far below the usual limit of 1,024 descriptors a process. */
const WATCHED_MAX = 512

export interface LiveSnapshot {
  readonly snapshot: Snapshot
  /** The namespaces in it. */
  readonly namespaces: readonly FoundNamespace[]
  /** What is there and could not be read. */
  readonly unread: readonly Unread[]
  /** Namespaces that changed while they were read, every time; empty when all stood still. */
  readonly moving: readonly string[]
}

/**
 * Takes a snapshot of every namespace of this machine. Reads only.
 *
 * @throws LanyardError `netns-missing` never: a namespace that went meanwhile is not there
 *
 * @example
 * ```ts
 * const { snapshot, unread } = await takeLiveSnapshot()
 * ```
 */
export async function takeLiveSnapshot(): Promise<LiveSnapshot> {
  for (let attempt = 1; ; attempt++) {
    const taken = await takeOnce()
    if (taken.moving.length === 0 || attempt >= ATTEMPTS) return taken
    // Whoever makes a container makes several changes.
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
}

async function takeOnce(): Promise<LiveSnapshot> {
  const { found, unread } = findNamespaces()
  const watched = watch(found)
  try {
    const failed = new Map<string, unknown>()
    const snapshot = await takeSnapshot(
      found.map(({ netns }) => netns),
      { onUnread: (netns, error) => failed.set(netns, error) },
    )
    const gone = (error: unknown): boolean =>
      error instanceof LanyardError && error.code === 'netns-missing'
    const missed = [...failed].filter(([, error]) => !gone(error))
    const moving = new Set([...failed].filter(([, error]) => gone(error)).map(([netns]) => netns))
    for (const [netns, transport] of watched) if (heardOf(transport)) moving.add(netns)
    for (const { netns, inode } of findNamespaces().found) {
      if (!found.some((one) => one.inode === inode)) moving.add(netns)
    }
    return {
      snapshot,
      namespaces: found.filter(({ netns }) => !failed.has(netns)),
      unread: [
        ...unread,
        ...missed.map(([netns, error]) => ({ what: `namespace ${netns}`, why: whyNot(error) })),
      ],
      moving: [...moving],
    }
  } finally {
    for (const transport of watched.values()) transport.close()
  }
}

/** Ears in every namespace, for as long as it is read. */
function watch(found: readonly FoundNamespace[]): Map<string, KernelTransport> {
  const open = new Map<string, KernelTransport>()
  for (const { netns } of found.slice(0, WATCHED_MAX)) {
    try {
      open.set(netns, openTransport(netns, GROUPS))
    } catch {
      // Gone, or not to be entered: the snapshot meets and tells it.
    }
  }
  return open
}

function heardOf(transport: KernelTransport): boolean {
  try {
    return transport.receive() !== undefined
  } catch {
    // ENOBUFS: so much happened that some of it was lost.
    return true
  }
}
