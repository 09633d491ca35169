/** Changes in namespaces, told by rtnetlink's multicast groups as they happen; nothing polls. */
import type { Closer, FabricEvent } from '../fabric/fabric.ts'
import { GROUP, type RouteEvent, readEvents } from '../netlink/event.ts'
import { outgoing } from '../netlink/message.ts'
import { Connection } from '../netlink/request.ts'
import {
  AF_BRIDGE,
  AF_UNSPEC,
  IFF_LOWER_UP,
  IFF_UP,
  RTM_GETLINK,
} from '../netlink/tables/header.ts'
import { link, RTEXT_FILTER_SKIP_STATS } from '../netlink/tables/link.ts'
import { RTM_F_CLONED } from '../netlink/tables/route.ts'
import { errnoOf } from '../sys/errno.ts'
import { watchReadable } from '../sys/poll.ts'
import { openTransport } from './transport.ts'

const ALL = Object.values(GROUP).reduce((mask, bit) => mask | bit, 0)

/**
 * Calls back on every change in a namespace until closed. A port's change of state and entries of
 * forwarding databases (AF_BRIDGE) are not among them.
 *
 * When changes come faster than they are read the kernel drops some and says so: an `overrun`
 * event, after which a fresh snapshot is due. The open watch keeps its namespace alive.
 *
 * @throws LanyardError `netns-missing`, `netns-broken`; SysError
 *
 * @example
 * ```ts
 * const watch = watchNetns('box1', (event) => {
 *   if (event.what === 'link') console.log(event.change, event.name)
 * })
 * ```
 */
export function watchNetns(netns: string, onEvent: (event: FabricEvent) => void): Closer {
  const names = new Map<number, string>()
  const watch = watchGroups(netns, ALL, (events) => {
    if (events === 'overrun') {
      readNames(netns, names)
      onEvent({ what: 'overrun', netns })
      return
    }
    for (const event of events) {
      const told = fabricEvent(netns, names, event)
      if (told !== undefined) onEvent(told)
    }
  })
  // After the groups were joined: a link made meanwhile is in both.
  try {
    readNames(netns, names)
  } catch (error) {
    watch.close()
    throw error
  }
  return watch
}

/**
 * Hears multicast groups of a namespace: each datagram's changes, or `overrun`.
 * @throws LanyardError `netns-missing`, `netns-broken`; SysError
 */
export function watchGroups(
  netns: string,
  groups: number,
  onEvents: (events: readonly RouteEvent[] | 'overrun') => void,
): Closer {
  const transport = openTransport(netns, groups)
  const state = { open: true }
  const take = (): void => {
    while (state.open) {
      let datagram: Uint8Array | undefined
      try {
        datagram = transport.receive()
      } catch (error) {
        if (errnoOf(error) !== 'ENOBUFS') throw error
        onEvents('overrun')
        continue
      }
      if (datagram === undefined) return
      onEvents(readEvents(datagram))
    }
  }
  const watch = watchReadable(transport.fd, take)
  return {
    close() {
      if (!state.open) return
      state.open = false
      watch.close()
      transport.close()
    },
  }
}

/** A request for all links, without their statistics. */
export function allLinks(): ReturnType<typeof outgoing> {
  const header = { family: AF_UNSPEC, type: 0, index: 0, flags: 0, change: 0 }
  return outgoing(RTM_GETLINK, 0, link, header, { extMask: RTEXT_FILTER_SKIP_STATS })
}

function readNames(netns: string, names: Map<number, string>): void {
  const connection = new Connection(openTransport(netns))
  try {
    names.clear()
    for (const { header, attributes } of connection.dump(allLinks(), link)) {
      if (attributes.name !== undefined) names.set(header.index, attributes.name)
    }
  } finally {
    connection.close()
  }
}

function fabricEvent(
  netns: string,
  names: Map<number, string>,
  event: RouteEvent,
): FabricEvent | undefined {
  const { what, change } = event
  switch (what) {
    case 'link': {
      const { header, attributes } = event.entry
      // A bridge's view of its port: its end is not the end of the link.
      if (header.family === AF_BRIDGE) return undefined
      const { index, flags } = header
      const name = attributes.name ?? names.get(index) ?? ''
      if (change === 'new') names.set(index, name)
      else names.delete(index)
      const up = (flags & IFF_UP) !== 0
      const carrier = (flags & IFF_LOWER_UP) !== 0
      return { what, change, netns, name, index, up, carrier }
    }
    case 'address': {
      const { header, attributes } = event.entry
      const ip = attributes.local ?? attributes.address
      return { what, change, netns, link: names.get(header.index), ip }
    }
    case 'route': {
      const { header, attributes } = event.entry
      if ((header.flags & RTM_F_CLONED) !== 0) return undefined
      const link = attributes.oif === undefined ? undefined : names.get(attributes.oif)
      return { what, change, netns, link, ip: attributes.dst }
    }
    case 'neighbour': {
      const { header, attributes } = event.entry
      if (header.family === AF_BRIDGE) return undefined
      return { what, change, netns, link: names.get(header.index), ip: attributes.dst }
    }
    default:
      return undefined
  }
}
