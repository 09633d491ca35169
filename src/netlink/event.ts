/**
 * What the multicast groups of rtnetlink tell: one change a message. The socket and its groups
 * are the transport's; this only reads.
 */
import { type Entry, incoming, readMessage } from './message.ts'
import { address } from './tables/address.ts'
import {
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_DELNEIGH,
  RTM_DELROUTE,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTM_NEWNEIGH,
  RTM_NEWROUTE,
} from './tables/header.ts'
import { link } from './tables/link.ts'
import { neighbour } from './tables/neighbour.ts'
import { route } from './tables/route.ts'

/** Bits of `sockaddr_nl.nl_groups`: `1 << (RTNLGRP_* - 1)`. */
export const GROUP = {
  link: 0x1,
  neighbour: 0x4,
  address4: 0x10,
  route4: 0x40,
  address6: 0x100,
  route6: 0x400,
} as const

const FORMATS = {
  link: { form: link, added: RTM_NEWLINK, removed: RTM_DELLINK },
  address: { form: address, added: RTM_NEWADDR, removed: RTM_DELADDR },
  route: { form: route, added: RTM_NEWROUTE, removed: RTM_DELROUTE },
  neighbour: { form: neighbour, added: RTM_NEWNEIGH, removed: RTM_DELNEIGH },
} as const

type Body<F> = F extends {
  header: { decode(view: DataView, start: number, end: number): infer H | undefined }
  attributes: { decode(view: DataView, start: number, end: number): infer A | undefined }
}
  ? Entry<H, A>
  : never

/** A change: `what` tells the type of `entry`. */
export type RouteEvent = {
  readonly [W in keyof typeof FORMATS]: {
    readonly what: W
    readonly change: 'new' | 'del'
    readonly entry: Body<(typeof FORMATS)[W]['form']>
  }
}[keyof typeof FORMATS]

/**
 * The changes in a datagram of a socket that joined groups; messages of other kinds are skipped.
 *
 * @example
 * ```ts
 * for (const event of readEvents(datagram)) {
 *   if (event.what === 'link') console.log(event.change, event.entry.attributes.name)
 * }
 * ```
 */
export function readEvents(datagram: Uint8Array): readonly RouteEvent[] {
  const events: RouteEvent[] = []
  for (const message of incoming(datagram)) {
    for (const what of ['link', 'address', 'route', 'neighbour'] as const) {
      const { form, added, removed } = FORMATS[what]
      if (message.type !== added && message.type !== removed) continue
      const entry = readMessage<unknown, unknown>(form, message)
      if (entry === undefined) continue
      const change = message.type === added ? 'new' : 'del'
      events.push({ what, change, entry } as RouteEvent)
    }
  }
  return events
}
