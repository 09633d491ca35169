import { afterEach, beforeEach, expect, test } from 'vitest'
import { done } from '../../test/apply.ts'
import { describeKernel } from '../../test/describe-kernel.ts'
import { ip, ipJson } from '../../test/ip-json.ts'
import { outgoing } from '../netlink/message.ts'
import { RTM_NEWLINK } from '../netlink/tables/header.ts'
import { link } from '../netlink/tables/link.ts'
import { Connections, Links } from './connections.ts'
import { createNetns, deleteNetns, listNetns } from './netns.ts'

const A = 'nlk-c.a'

function sweep(): void {
  for (const name of listNetns()) if (name.startsWith('nlk-c.')) deleteNetns(name)
}

describeKernel('connections of a plan', () => {
  beforeEach(() => {
    sweep()
    createNetns(A)
  })
  afterEach(sweep)

  test('Links.send() looks a link up again that somebody else replaced meanwhile', () => {
    const connections = new Connections()
    try {
      const links = new Links(connections)
      const builds: number[] = []
      const raise = () =>
        links.send(A, () => {
          const found = links.find(A, 'x0')
          if (!found.ok) return found
          builds.push(found.index)
          return outgoing(RTM_NEWLINK, 0, link, { index: found.index }, { mtu: 1400 })
        })
      ip(A, 'link add x0 type bridge')
      expect(raise()).toBeUndefined()
      ip(A, 'link del x0', 'link add x0 type bridge')
      expect(raise()).toBeUndefined()
      // The first index again, then the new one.
      expect(builds.length).toBe(3)
      expect(builds[1]).toBe(builds[0])
      expect(builds[2]).not.toBe(builds[0])
      expect(ipJson(A, 'link', 'show', 'x0')[0]?.['mtu']).toBe(1400)
      ip(A, 'link del x0')
      expect(raise()).toMatchObject({ errno: 'ENODEV', extack: undefined })
    } finally {
      connections.close()
    }
  })

  test('Connections keeps no more than 128 namespaces open', async () => {
    const many = Array.from({ length: 140 }, (_, i) => `nlk-c.n${i}`)
    await done(...many.map((netns) => ({ do: 'netns.add' as const, netns })))
    const connections = new Connections()
    try {
      const first = connections.to(many[0] as string)
      for (const netns of many) connections.to(netns)
      expect(connections.to(many[0] as string)).not.toBe(first)
      expect(connections.to(many[139] as string)).toBe(connections.to(many[139] as string))
    } finally {
      connections.close()
    }
  })
})
