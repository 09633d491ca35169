import { expect, test } from 'vitest'
import { parseIp } from '../addr/ip.ts'
import { describeKernel } from '../../test/describe-kernel.ts'
import { openKernel } from './fabric.ts'

describeKernel('openListener()', () => {
  test('answers on every address from the one that was asked, until closed', async () => {
    const kernel = await openKernel()
    const netns = `lynlisten${process.pid}`
    try {
      await kernel.apply([
        { do: 'netns.add', netns },
        { do: 'link.set', netns, name: 'lo', up: true },
        ...['10.9.9.1', '10.9.9.2', 'fd00:9::1'].map((ip) => ({
          do: 'address.add' as const,
          netns,
          link: 'lo',
          address: { address: parseIp(ip), length: ip.includes(':') ? 128 : 32 },
          nodad: true,
        })),
      ])
      const ask = async (): Promise<string[]> => {
        const all = ['10.9.9.1', '10.9.9.2', 'fd00:9::1', '::1'].flatMap((ip) => [
          { protocol: 'tcp' as const, from: netns, to: parseIp(ip), port: 80 },
          { protocol: 'udp' as const, from: netns, to: parseIp(ip), port: 53 },
        ])
        const results = await kernel.probe(all)
        return results.map((r) => (r.outcome === 'errno' ? r.errno : r.outcome))
      }
      const open = [
        await kernel.listen(netns, { protocol: 'tcp', port: 80 }),
        await kernel.listen(netns, { protocol: 'udp', port: 53 }),
      ]
      // On a busy machine a new IPv6 address was seen to swallow what came within its first second.
      await expect.poll(ask, { timeout: 20_000 }).toEqual(Array.from({ length: 8 }, () => 'reply'))
      await expect(kernel.listen(netns, { protocol: 'tcp', port: 80 })).rejects.toThrow(
        'bind: Address already in use (EADDRINUSE)',
      )
      for (const port of open) port.close()
      expect(await ask()).toEqual(Array.from({ length: 8 }, () => 'ECONNREFUSED'))
    } finally {
      await kernel.apply([{ do: 'netns.del', netns }], { keepGoing: true })
      await kernel.close()
    }
  })
})
