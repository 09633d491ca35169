/** Frames through a raw socket of a namespace, as fast as the kernel takes them. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { inNetns } from '../src/kernel/netns.ts'
import { linkAddress } from '../src/sys/sockaddr.ts'
import { AF_PACKET, bindSocket, closeFd, linkIndex } from '../src/sys/socket.ts'
import { openSocket, SOCK_RAW, sendTo } from '../src/sys/socket.ts'

/**
 * Sends `count` frames, these in turn, out of a link: one AF_PACKET send() each.
 *
 * @param to who counts them, by eth0
 * @returns how many a second arrived there
 * @throws Error when less than half did
 */
export async function flood(
  from: { readonly netns: string; readonly link: string },
  to: string,
  frames: readonly Uint8Array[],
  count: number,
): Promise<number> {
  const fd = inNetns(from.netns, () => {
    const socket = openSocket(AF_PACKET, SOCK_RAW, 0)
    bindSocket(socket, linkAddress(linkIndex(from.link) ?? 0, 0))
    return socket
  })
  const before = received(to)
  const started = performance.now()
  for (let i = 0; i < count; i++) sendTo(fd, frames[i % frames.length] as Uint8Array)
  let arrived = received(to) - before
  let ended = performance.now()
  // What still is in a backlog arrives now.
  for (let more = -1; more !== arrived; ) {
    more = arrived
    await sleep(5)
    arrived = received(to) - before
    if (arrived !== more) ended = performance.now()
  }
  closeFd(fd)
  if (arrived < count / 2) throw new Error(`${arrived} of ${count} arrived`)
  return arrived / ((ended - started) / 1000)
}

function received(netns: string): number {
  const text = inNetns(netns, () => readFileSync('/proc/thread-self/net/dev', 'utf8'))
  return Number(/eth0:\s*\d+\s+(\d+)/.exec(text)?.[1])
}
