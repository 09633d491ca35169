/** Whether somebody listens on a port, by the kernel's own lists. */
import { readFileSync } from 'node:fs'
import { inNetns } from './netns.ts'

/** States of /proc/net/tcp (include/net/tcp_states.h): TCP_LISTEN; an unconnected UDP socket. */
const WAITING = { tcp: '0A', udp: '07' } as const

/**
 * @returns false where the lists cannot be read
 * @throws LanyardError `netns-missing`; SysError
 */
export function hasListener(netns: string, protocol: 'tcp' | 'udp', port: number): boolean {
  const end = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return inNetns(netns, () =>
    [protocol, `${protocol}6`].some((list) =>
      linesOf(`/proc/thread-self/net/${list}`).some((line) => {
        const [, local, , state] = line.trim().split(/\s+/)
        return state === WAITING[protocol] && local?.endsWith(end) === true
      }),
    ),
  )
}

function linesOf(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\n')
  } catch {
    return []
  }
}
