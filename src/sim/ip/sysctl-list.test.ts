import { expect, test } from 'vitest'
import { openSim } from '../fabric.ts'
import type { Op } from '../../fabric/plan.ts'

test('namespaces that are set alike share a record, whatever was set first', async () => {
  const fabric = openSim()
  const set = (netns: string, key: string): Op => ({ do: 'sysctl.set', netns, key, value: '1' })
  const keys = [
    'net.ipv4.ip_forward',
    'net.ipv4.conf.lo.arp_filter',
    'net.ipv4.conf.default.arp_ignore',
  ]
  fabric.applyNow([
    ...['a', 'b', 'c'].map((netns): Op => ({ do: 'netns.add', netns })),
    ...keys.map((key) => set('a', key)),
    ...keys.toReversed().map((key) => set('b', key)),
  ])
  const [a, b, c] = (await fabric.snapshot({ netns: ['a', 'b', 'c'] })).netns
  expect(a?.sysctls).toBe(b?.sysctls)
  expect(c?.sysctls).not.toBe(a?.sysctls)
  expect(keys.map((key) => a?.sysctls[key])).toEqual(['1', '1', '1'])
  fabric.applyNow([set('c', 'net.ipv4.conf.lo.arp_filter')])
  expect(c?.sysctls['net.ipv4.conf.lo.arp_filter']).toBe('0')
})
