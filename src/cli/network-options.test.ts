import { expect, test } from 'vitest'
import { specOf } from './network-options.ts'

const options = {
  driver: 'macvlan',
  opt: [],
  label: [],
  subnet: ['192.168.8.0/24'],
  gateway: [],
  ipRange: [],
  auxAddress: [],
  exclude: [],
}

test('--parent, --vlan and --attach say what the driver options of those names say', () => {
  const opt = ['parent=eth0', 'vlan=50', 'attach=child']
  const short = { ...options, parent: 'eth0', vlan: '50', attach: 'child' }
  expect(specOf('lan', short)).toEqual(specOf('lan', { ...options, opt }))
  expect(specOf('lan', { ...options, parent: 'br0', attach: 'veth' })).toMatchObject({
    parent: 'br0',
    attach: 'veth',
  })
  expect(() => specOf('lan', { ...short, attach: 'bridge' })).toThrow('attach is child or veth')
})
