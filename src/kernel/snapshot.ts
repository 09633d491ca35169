/**
 * What is there: a Snapshot of any set of namespaces, read by dumps. A namespace is read within
 * one turn of the event loop; between two of them others may change things.
 */
import type {
  LinkRef,
  LinkSnapshot,
  NetnsSnapshot,
  Snapshot,
  SnapshotPart,
} from '../fabric/snapshot.ts'
import { outgoing, readMessage } from '../netlink/message.ts'
import type { Connection } from '../netlink/request.ts'
import { RTM_GETLINK, RTM_GETNSID } from '../netlink/tables/header.ts'
import { link, RTEXT_FILTER_SKIP_STATS } from '../netlink/tables/link.ts'
import { nsid } from '../netlink/tables/nsid.ts'
import { Connections } from './connections.ts'
import { readFilters } from './netfilter-snapshot.ts'
import { inNetns, netnsFd } from './netns.ts'
import { withNetem } from './qdisc.ts'
import {
  readAddresses,
  readFdb,
  readNeighbours,
  readRoutes,
  readRules,
  readVlans,
} from './snapshot-ip.ts'
import { countersOf, type LinkEntry, linkSnapshot } from './snapshot-link.ts'
import { readLinkSysctls, readNamespaceSysctls } from './snapshot-sysctl.ts'

/** The event loop gets a turn after so much work. */
const TURN_MS = 20

const ALL: readonly SnapshotPart[] = [
  'addresses',
  'routes',
  'rules',
  'neighbours',
  'fdb',
  'vlans',
  'filters',
  'sysctls',
]

interface ReadOptions {
  /** What is read besides links; the rest comes empty. Default: all. */
  readonly parts?: readonly SnapshotPart[] | undefined
  /** With what the links counted. */
  readonly counters?: boolean | undefined
  /**
   * Told of a namespace that cannot be read, which is then left out; without it the first such one
   * throws.
   */
  readonly onUnread?: (netns: string, error: unknown) => void
}

/**
 * Takes a snapshot. Links come by index, all else in the kernel's order.
 *
 * @throws LanyardError `netns-missing`, `netlink-refused`, `netlink-lost`; SysError
 *
 * @example
 * ```ts
 * const { netns } = await takeSnapshot(['box1', 'box2'])
 * ```
 */
export async function takeSnapshot(
  names: readonly string[],
  { parts = ALL, counters = false, onUnread }: ReadOptions = {},
): Promise<Snapshot> {
  const connections = new Connections()
  try {
    const reader = new Reader(names, new Set(parts), counters)
    const read: Partial[] = []
    let turnEnds = performance.now() + TURN_MS
    for (const name of names) {
      try {
        read.push(reader.readIn(name, connections))
        connections.release(name)
      } catch (error) {
        if (onUnread === undefined) throw error
        onUnread(name, error)
      }
      if (performance.now() > turnEnds) {
        await new Promise((resolve) => setImmediate(resolve))
        turnEnds = performance.now() + TURN_MS
      }
    }
    return { netns: withParents(read) }
  } finally {
    connections.close()
  }
}

/** A namespace with parents that are known by index only. */
interface Partial extends NetnsSnapshot {
  readonly parents: ReadonlyMap<
    number,
    { readonly index: number; readonly netns: string | undefined }
  >
}

class Reader {
  /** Namespaces a parent may be in, the one found last first: mostly it is the same again. */
  readonly #candidates: string[]
  readonly #wanted: ReadonlySet<string>
  readonly #parts: ReadonlySet<SnapshotPart>
  readonly #counters: boolean

  constructor(names: readonly string[], parts: ReadonlySet<SnapshotPart>, counters: boolean) {
    this.#counters = counters
    this.#wanted = new Set(names)
    this.#parts = parts
    // The program's own namespace often holds the parents: asked first, it spares asking for all.
    this.#candidates = [...new Set(['', ...names])]
  }

  readIn(name: string, connections: Connections): Partial {
    const inside = this.#parts.has('filters') || this.#parts.has('sysctls')
    if (!inside) return this.#read(name, connections.to(name))
    // One window for the socket and for /proc.
    return inNetns(name, () => this.#read(name, connections.to(name)))
  }

  #read(name: string, connection: Connection): Partial {
    const wants = (part: SnapshotPart) => this.#parts.has(part)
    const extMask = this.#counters ? 0 : RTEXT_FILTER_SKIP_STATS
    const entries = connection
      .dump(outgoing(RTM_GETLINK, 0, link, {}, { extMask }), link)
      .toSorted((a, b) => a.header.index - b.header.index)
    const names = new Map(entries.map((e) => [e.header.index, e.attributes.name ?? '']))
    const plain = entries.map((entry) => {
      const { master } = entry.attributes
      const masterName = master === undefined ? undefined : names.get(master)
      const one = linkSnapshot(entry, masterName, undefined)
      const counters = this.#counters ? countersOf(entry) : undefined
      return counters === undefined ? one : { ...one, counters }
    })
    const links = withNetem(connection, plain)
    const byIndex = new Map(links.map((one) => [one.index, one]))
    const has = (kinds: readonly string[]) => links.some((one) => kinds.includes(one.kind))
    const bridged = has(['bridge']) || links.some((one) => one.master !== undefined)
    const ownFdb = has(['vxlan']) || links.some((one) => one.macvlan?.mode === 'passthru')
    const sysctls: Record<string, string> = {}
    if (wants('sysctls')) {
      readNamespaceSysctls(connection, sysctls)
      for (const entry of entries) readLinkSysctls(entry, sysctls)
    }
    const filters = wants('filters') ? readFilters() : []
    return {
      name,
      links,
      addresses: wants('addresses') ? readAddresses(connection, byIndex) : [],
      routes: wants('routes') ? readRoutes(connection, byIndex) : [],
      rules: wants('rules') ? readRules(connection) : [],
      neighbours: wants('neighbours') ? readNeighbours(connection, byIndex) : [],
      fdb: wants('fdb') && (bridged || ownFdb) ? readFdb(connection, byIndex) : [],
      vlans: wants('vlans') && bridged ? readVlans(connection, byIndex) : [],
      ...(filters.length === 0 ? {} : { filters }),
      sysctls,
      parents: this.#parents(name, entries, connection),
    }
  }

  /** What each link sits on, and in which namespace that is. */
  #parents(name: string, entries: readonly LinkEntry[], connection: Connection) {
    const parents = new Map<number, { index: number; netns: string | undefined }>()
    const byNsid = new Map<number, string | undefined>()
    for (const { header, attributes } of entries) {
      const { link: index, linkNetnsid } = attributes
      if (index === undefined || index === 0) continue
      if (linkNetnsid !== undefined && !byNsid.has(linkNetnsid)) {
        byNsid.set(linkNetnsid, this.#nameOf(linkNetnsid, connection))
      }
      const netns = linkNetnsid === undefined ? name : byNsid.get(linkNetnsid)
      parents.set(header.index, { index, netns })
    }
    return parents
  }

  /** The namespace an id stands for: the kernel only answers the other way round. */
  #nameOf(id: number, connection: Connection): string | undefined {
    for (let from = 0; from < this.#candidates.length; from = from === 0 ? 2 : from + 64) {
      // The likeliest two alone, then many at a time.
      const some = this.#candidates.slice(from, from === 0 ? 2 : from + 64)
      const asked: string[] = []
      const requests = some.flatMap((candidate) => {
        const fd = tryFd(candidate)
        if (fd === undefined) return []
        asked.push(candidate)
        return [outgoing(RTM_GETNSID, 0, nsid, {}, { fd })]
      })
      let found: string | undefined
      connection.batch(requests, (index, reply) => {
        if (readMessage(nsid, reply)?.attributes.nsid === id) found = asked[index]
      })
      if (found === undefined) continue
      this.#candidates.splice(this.#candidates.indexOf(found), 1)
      this.#candidates.unshift(found)
      return this.#wanted.has(found) ? found : undefined
    }
    return undefined
  }
}

/** A namespace that vanished meanwhile is nobody's parent. */
function tryFd(netns: string): number | undefined {
  try {
    return netnsFd(netns)
  } catch {
    return undefined
  }
}

/** Puts names to parents, now that every namespace is read. */
function withParents(read: readonly Partial[]): readonly NetnsSnapshot[] {
  const links = new Map(
    read.map(({ name, links: own }) => [name, new Map(own.map((one) => [one.index, one.name]))]),
  )
  return read.map(({ parents, ...netns }) => ({
    ...netns,
    links: netns.links.map((one): LinkSnapshot => {
      const parent = parents.get(one.index)
      if (parent === undefined) return one
      const name =
        parent.netns === undefined ? undefined : links.get(parent.netns)?.get(parent.index)
      const ref: LinkRef = { index: parent.index, netns: parent.netns, name }
      return { ...one, parent: ref }
    }),
  }))
}
