/** What the model plays with: few addresses, and sandboxes of four names on each host. */
import type { Ip } from '../../src/addr/ip.ts'
import type { NetworkSpec } from '../../src/engine/types.ts'
import { LAN4 } from '../lan.ts'

export const SEGMENT = 'eth0'
export const ENDPOINTS = ['a', 'b', 'c', 'd']
/** Six addresses, of which one is excluded; more where hosts hold spares. */
export const FIRST = LAN4 + 8
export const LAST = LAN4 + 13
export const MORE = 4
const GATEWAY = LAN4 + 1
const EXCLUDED = LAN4 + 10
/** Of what somebody wants to bear: two of four endpoints have to want the same. */
export const SHARED_MAC = 0x02_00_00_00_00_10
/** What a disconnect may say without failing for missing state. */
export const EXCUSES = ['store-unavailable', 'lease-elsewhere', 'host-forgotten']
export const FORBIDDEN: ReadonlySet<Ip> = new Set([LAN4, LAN4 + 255, GATEWAY, EXCLUDED])

export const networkOf = (last: Ip): NetworkSpec => ({
  name: 'lan',
  kind: 'macvlan',
  parent: 'eth0',
  pools: [
    {
      subnet: { address: LAN4, length: 24 },
      range: { first: FIRST, last },
      gateway: GATEWAY,
      exclude: [{ name: 'printer', address: EXCLUDED }],
    },
  ],
  hostAccess: false,
  internal: false,
  check: 'never',
  attach: 'child',
  labels: {},
})

export function sandboxesOf(host: string): readonly string[] {
  return [host, ...ENDPOINTS.map((name) => `${host}-${name}`)]
}
