/**
 * What each device has sent, received and dropped, as its driver counts it: `ip -s link`. Who
 * counts what, and whether with the Ethernet header, differs by driver and is said where it is
 * counted.
 */
import type { LinkCounters } from '../fabric/snapshot.ts'
import type { Frame } from '../wire/frame.ts'
import type { Device } from './model.ts'

/** Length of the Ethernet header. */
export const HEADER = 14

/**
 * `skb->len` without the Ethernet header: the outer tag travels beside the frame, inner ones are
 * part of it.
 */
export function bodyLength(frame: Frame): number {
  const tags = frame.tags.length
  return tags > 1 ? frame.length + 4 * (tags - 1) : frame.length
}

export function countSent(dev: Device, bytes: number): void {
  dev.txPackets++
  dev.txBytes += bytes
}

export function countReceived(dev: Device, bytes: number): void {
  dev.rxPackets++
  dev.rxBytes += bytes
}

/** Received as a frame for a group, which some drivers count once more. */
export function countGroup(dev: Device, bytes: number): void {
  dev.rxPackets++
  dev.rxBytes += bytes
  dev.rxMulticast++
}

/** The same for all of an audience but one. */
export function countGroupForAll(
  devices: readonly Device[],
  except: Device | undefined,
  bytes: number,
): void {
  for (let i = 0; i < devices.length; i++) {
    const dev = devices[i] as Device
    if (dev !== except) countGroup(dev, bytes)
  }
}

/** What a device counted, as `dev_get_stats` puts it together. */
export function readCounters(dev: Device): LinkCounters {
  // veth and lo count what they send; to the other end, and to lo itself, that is what came.
  const source = dev.ops.kind === 'loopback' ? dev : dev.peer
  return {
    rxPackets: dev.rxPackets + (source?.txPackets ?? 0),
    rxBytes: dev.rxBytes + (source?.txBytes ?? 0),
    rxDropped: dev.rxDropped,
    multicast: dev.rxMulticast,
    txPackets: dev.txPackets,
    txBytes: dev.txBytes,
    txDropped: dev.txDropped,
  }
}
