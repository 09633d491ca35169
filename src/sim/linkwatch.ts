/**
 * Carrier and operational state: a carrier change is noted at once, those who follow it hear of it
 * from an event of its own (net/core/link_watch.c).
 */
import { type Device, EV_LINKWATCH, type World } from './model.ts'
import { notify } from './notify.ts'
import type { OperState } from '../fabric/snapshot.ts'

/** `netif_carrier_on` and `netif_carrier_off`. */
export function setCarrier(world: World, dev: Device, on: boolean): void {
  if (dev.carrier === on) return
  dev.carrier = on
  fireLinkwatch(world, dev)
}

/** `linkwatch_fire_event`: the operational state is to be looked at anew. */
export function fireLinkwatch(world: World, dev: Device): void {
  if (dev.linkwatchPending || dev.dying) return
  dev.linkwatchPending = true
  world.queue.pushNow(world.now, EV_LINKWATCH, dev.id, undefined)
}

/** `netif_stacked_transfer_operstate`: a link on top takes the carrier of the one below. */
export function followCarrier(world: World, lower: Device, dev: Device): void {
  setCarrier(world, dev, lower.carrier)
}

/** Handler of EV_LINKWATCH: `linkwatch_do_dev`. */
export function onLinkwatch(world: World, target: number): void {
  const dev = world.devices[target]
  if (dev === undefined) return
  dev.linkwatchPending = false
  updateOperState(world, dev)
  if (dev.up) notify(world, dev, 'carrier')
}

/** `rfc2863_policy`. */
export function updateOperState(world: World, dev: Device): void {
  dev.operState = defaultOperState(world, dev)
}

/**
 * `default_operstate`. The device below is looked up by its index in the namespace of the upper
 * one, so with the lower one elsewhere the answer is `down` (or that of whoever has its index).
 * Linux 6.1 does not look: whatever sits on a device with another index is `lowerlayerdown`.
 */
function defaultOperState(world: World, dev: Device): OperState {
  if (dev.carrier) return 'up'
  const below = dev.lower ?? dev.peer
  if (below === undefined) return 'down'
  if (world.traits.version === '6.1') return below.index === dev.index ? 'down' : 'lowerlayerdown'
  const named = dev.netns.byIndex.get(below.index)
  if (named === undefined || named === dev) return 'down'
  return named.carrier ? 'down' : 'lowerlayerdown'
}
