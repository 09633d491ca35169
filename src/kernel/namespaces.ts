/**
 * Every network namespace of this machine: the program's own, those with a name (`ip netns`,
 * Docker's sandboxes), those of processes. One entry a namespace, however many doors lead in.
 */
import { readdirSync, readlinkSync, statfsSync, statSync } from 'node:fs'
import { errnoOf } from '../sys/errno.ts'

const NSFS_MAGIC = 0x6e736673
/** Folders of namespaces bound to files; Docker's `/var/run` is the same as `/run`. */
const FOLDERS = ['/run/netns', '/run/docker/netns'] as const

export interface FoundNamespace {
  /** As in a Plan: `''`, a name, a path, `pid:N`. */
  readonly netns: string
  readonly inode: number
  /** Files it is bound to. */
  readonly files: readonly string[]
  /** Processes in it, the oldest first. */
  readonly pids: readonly number[]
}

/** Something that is there and could not be looked at. */
export interface Unread {
  readonly what: string
  readonly why: string
}

export interface Namespaces {
  /** The own one first. */
  readonly found: readonly FoundNamespace[]
  readonly unread: readonly Unread[]
}

/**
 * Lists the namespaces there are. Nothing is entered; what may not be looked at is named and left
 * out.
 *
 * @example
 * ```ts
 * const { found } = findNamespaces()
 * const { netns } = await takeSnapshot(found.map((one) => one.netns))
 * ```
 */
export function findNamespaces(): Namespaces {
  const unread: Unread[] = []
  const files = new Map<number, string[]>()
  for (const folder of FOLDERS) {
    for (const name of namesIn(folder)) {
      const path = `${folder}/${name}`
      const inode = inodeOf(path, unread)
      if (inode !== undefined) push(files, inode, path)
    }
  }
  const own = Number(/\d+/.exec(readlinkSync('/proc/thread-self/ns/net'))?.[0])
  const pids = processes(unread)
  const inodes = [...new Set([own, ...files.keys(), ...pids.keys()])]
  const found = inodes.map((inode): FoundNamespace => {
    const bound = files.get(inode) ?? []
    const inside = pids.get(inode) ?? []
    const netns = inode === own ? '' : (nameOf(bound) ?? `pid:${inside[0]}`)
    return { netns, inode, files: bound, pids: inside }
  })
  return { found, unread }
}

/** A name of `ip netns` before a path. */
function nameOf(files: readonly string[]): string | undefined {
  const [folder] = FOLDERS
  const named = files.find((path) => path.startsWith(`${folder}/`))
  return named === undefined ? files[0] : named.slice(folder.length + 1)
}

function inodeOf(path: string, unread: Unread[]): number | undefined {
  try {
    // A name whose maker died between file and mount is a plain file.
    if (statfsSync(path).type === NSFS_MAGIC) return statSync(path).ino
    unread.push({ what: path, why: 'it is a plain file, not a network namespace' })
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') unread.push({ what: path, why: whyNot(error) })
  }
  return undefined
}

function processes(unread: Unread[]): Map<number, number[]> {
  const found = new Map<number, number[]>()
  const denied: number[] = []
  const pids = namesIn('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid > 0)
    .toSorted((a, b) => a - b)
  for (const pid of pids) {
    try {
      const inode = Number(/\d+/.exec(readlinkSync(`/proc/${pid}/ns/net`))?.[0])
      push(found, inode, pid)
    } catch (error) {
      // ENOENT and ESRCH: it has ended meanwhile, or is a zombie and in no namespace any more.
      if (errnoOf(error) === 'EACCES' || errnoOf(error) === 'EPERM') denied.push(pid)
    }
  }
  if (denied.length > 0) {
    const [first] = denied
    const what =
      denied.length === 1 ? `process ${first}` : `${denied.length} processes (${first}, ...)`
    unread.push({ what, why: 'their namespaces may not be looked at (permission denied)' })
  }
  return found
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).toSorted()
  } catch {
    // No such folder, or none that may be looked into: nothing with a name there.
    return []
  }
}

/** A failure to look, in words. */
export function whyNot(error: unknown): string {
  const errno = errnoOf(error)
  if (errno === 'EACCES' || errno === 'EPERM') return 'permission denied'
  return error instanceof Error ? error.message : String(error)
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}
