import { expect, test } from 'vitest'
import { readSysctl, sysctlPath, writeSysctl } from './sysctl.ts'

test('sysctlPath() takes dots for steps and slashes for dots', () => {
  expect(sysctlPath('net.ipv4.conf.eth0/100.rp_filter')).toBe(
    '/proc/sys/net/ipv4/conf/eth0.100/rp_filter',
  )
})

test('readSysctl() gives the value, or undefined for what is not there', () => {
  expect(readSysctl('kernel.ostype')).toBe('Linux')
  expect(readSysctl('net.no.such.thing')).toBeUndefined()
})

test('writeSysctl() names the key and the errno', () => {
  expect(() => {
    writeSysctl('net.no.such.thing', '1')
  }).toThrow(expect.objectContaining({ call: 'write net.no.such.thing', errno: 'ENOENT' }))
})
