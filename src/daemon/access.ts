/** Who may speak to the daemon: root, the daemon's own user, and members of one group. */
import { readFileSync } from 'node:fs'
import { LanyardError } from '../errors.ts'

/** The process at the other end of a connection, as the kernel tells. */
export interface Peer {
  readonly pid: number
  readonly uid: number
  readonly gids: readonly number[]
}

export const GROUP = 'lanyard'

/**
 * @param gid of the group, undefined when this machine has none of the name
 * @throws LanyardError `daemon-forbidden`
 */
export function checkPeer(peer: Peer, gid: number | undefined, socket: string): void {
  if (peer.uid === 0 || peer.uid === process.geteuid?.()) return
  if (gid !== undefined && peer.gids.includes(gid)) return
  throw new LanyardError('daemon-forbidden', { socket, user: userName(peer.uid), group: GROUP })
}

/** Number of a group of this machine. */
export function groupId(name: string, file = '/etc/group'): number | undefined {
  const line = linesOf(file).find(([known]) => known === name)
  return line?.[2] === undefined ? undefined : Number(line[2])
}

/** `alice`, or `user 1000` when nobody is called so. */
export function userName(uid: number, file = '/etc/passwd'): string {
  return linesOf(file).find((fields) => fields[2] === String(uid))?.[0] ?? `user ${uid}`
}

/** A file of fields between colons: passwd(5), group(5). */
function linesOf(file: string): string[][] {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
  } catch {
    return []
  }
}
