/**
 * Waiting until a namespace stands still: what follows a change by itself in the kernel's work
 * queues is done. Told by multicast groups, bounded by a deadline.
 */
import { LanyardError } from '../errors.ts'
import type { Closer } from '../fabric/fabric.ts'
import { GROUP } from '../netlink/event.ts'
import { type Entry, outgoing } from '../netlink/message.ts'
import { Connection } from '../netlink/request.ts'
import { address, IFA_F_DADFAILED, IFA_F_TENTATIVE } from '../netlink/tables/address.ts'
import { AF_INET6, IFF_LOWER_UP, IFF_UP, RTM_GETADDR } from '../netlink/tables/header.ts'
import { link } from '../netlink/tables/link.ts'
import { callAfter } from './timer.ts'
import { openTransport } from './transport.ts'
import { allLinks, watchGroups } from './watch.ts'

/** Long enough for duplicate address detection, not for a spanning tree's 30 s. */
export const SETTLE_MS = 5000

/** IF_OPER_* (RFC 2863). */
const OPER_UNKNOWN = 0
const OPER_DOWN = 2
const OPER_LOWER_LAYER_DOWN = 3
const OPER_UP = 6
/** BR_STATE_*: on the way to forwarding. */
const LISTENING = 1
const LEARNING = 2
/** Kinds whose state is looked at as they are made; others are unknown until a carrier changes. */
const LOOKED_AT: ReadonlySet<string> = new Set(['veth', 'macvlan', 'macvtap', 'vlan'])

/**
 * Waits until, in all namespaces given, every link's operational state fits its carrier (linkwatch
 * has run), no bridge port is on its way to forwarding, and no address of a link with carrier is
 * tentative. Returns when the time is over, too: some things (an unplugged cable behind a bridge)
 * never settle, and what then holds is what there is to see.
 *
 * @param mayGo a namespace that goes away meanwhile stands still; otherwise it is an error
 * @throws LanyardError `netns-missing`, `netns-broken`; SysError
 *
 * @example
 * ```ts
 * await settleNetns(['box1', 'box2'])
 * ```
 */
export async function settleNetns(
  names: readonly string[],
  timeoutMs: number = SETTLE_MS,
  mayGo = false,
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  const moves = (netns: string): boolean => {
    try {
      return !isStill(netns)
    } catch (error) {
      if (mayGo && isGone(error)) return false
      throw error
    }
  }
  const wait = async (netns: string, leftMs: number): Promise<void> => {
    try {
      await untilStill(netns, leftMs)
    } catch (error) {
      if (!mayGo || !isGone(error)) throw error
    }
  }
  let moving = names.filter(moves)
  // Waiting for one may have set another moving: round again until nothing moves.
  while (moving.length > 0 && performance.now() < deadline) {
    const leftMs = deadline - performance.now()
    await Promise.all(moving.map((netns) => wait(netns, leftMs)))
    moving = names.filter(moves)
  }
}

function isGone(error: unknown): boolean {
  return error instanceof LanyardError && ['netns-missing', 'netns-broken'].includes(error.code)
}

/** Whether everything in the namespace stands still now. */
function isStill(netns: string): boolean {
  const connection = new Connection(openTransport(netns))
  try {
    return connectionIsStill(connection)
  } finally {
    connection.close()
  }
}

function connectionIsStill(connection: Connection): boolean {
  const links = connection.dump(allLinks(), link)
  if (links.some(isMoving)) return false
  const ready = new Set(
    links.filter(({ header }) => hasCarrier(header.flags)).map(({ header }) => header.index),
  )
  const header = { family: AF_INET6, length: 0, flags: 0, scope: 0, index: 0 }
  const addresses = connection.dump(outgoing(RTM_GETADDR, 0, address, header), address)
  return !addresses.some(({ header, attributes }) => {
    const flags = attributes.flags ?? header.flags
    // Without carrier a tentative address waits for one.
    return (
      (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) === IFA_F_TENTATIVE && ready.has(header.index)
    )
  })
}

type Link = typeof link extends {
  header: { decode(...args: never[]): infer H | undefined }
  attributes: { decode(...args: never[]): infer A | undefined }
}
  ? Entry<H, A>
  : never

/** Its state lags behind its carrier (net/core/link_watch.c), or it is a port on its way. */
function isMoving({ header, attributes }: Link): boolean {
  const state = attributes.operState ?? 0
  const carrier = hasCarrier(header.flags)
  // A slow machine's link watch may come a second late.
  const looksSoon = (header.flags & IFF_UP) !== 0 && LOOKED_AT.has(attributes.info?.kind ?? '')
  if (state === OPER_UNKNOWN && looksSoon) return true
  if (carrier && (state === OPER_DOWN || state === OPER_LOWER_LAYER_DOWN)) return true
  if (!carrier && state === OPER_UP) return true
  const port = attributes.info?.port?.state
  return carrier && (port === LISTENING || port === LEARNING)
}

function hasCarrier(flags: number): boolean {
  return (flags & IFF_UP) !== 0 && (flags & IFF_LOWER_UP) !== 0
}

/** Resolves when the namespace stands still or the time is over. */
async function untilStill(netns: string, timeoutMs: number): Promise<void> {
  const connection = new Connection(openTransport(netns))
  let watch: Closer | undefined
  let timer: Closer | undefined
  try {
    await new Promise<void>((resolve, reject) => {
      timer = callAfter(timeoutMs, resolve)
      const look = (): void => {
        try {
          if (connectionIsStill(connection)) resolve()
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)))
        }
      }
      let looking = false
      watch = watchGroups(netns, GROUP.link | GROUP.address6, () => {
        // One look for all that came at once.
        if (looking) return
        looking = true
        setImmediate(() => {
          looking = false
          if (watch !== undefined) look()
        })
      })
      // After the groups were joined: what settled before is seen now.
      look()
    })
  } finally {
    timer?.close()
    watch?.close()
    watch = undefined
    connection.close()
  }
}
