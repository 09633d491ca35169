/**
 * A machine with 200 namespaces: all of it read, put into the simulator and one failing pair
 * explained with its remedies. The peer only reads, with `ip -j` asked three questions in each
 * namespace, and says nothing about why.
 */
import { execFileSync } from 'node:child_process'
import { ASSUME_NOTHING } from '../src/explain/beyond.ts'
import { explainLive } from '../src/explain/live.ts'
import { openKernel } from '../src/kernel/fabric.ts'
import { takeLiveSnapshot } from '../src/kernel/live.ts'
import { parseIp } from '../src/addr/ip.ts'
import { measure, needRoot, timeMs } from './harness.ts'
import { endpoint, endpointIp, HOST, macvlanLan, withoutLan } from './worlds.ts'

/** With the host, the switch and the namespace this runs in: 200. */
const COUNT = 197
const SAMPLE = 20

await measure('live', async () => {
  needRoot()
  const kernel = await openKernel()
  await kernel.apply(withoutLan(COUNT), { keepGoing: true })
  await kernel.apply([
    ...macvlanLan(COUNT),
    {
      do: 'address.add',
      netns: HOST,
      link: 'eth0',
      address: { address: parseIp('10.9.255.1'), length: 16 },
    },
  ])
  const ask = (): void => {
    for (let i = 0; i < SAMPLE; i++)
      for (const what of ['link', 'address', 'route'])
        execFileSync('ip', ['-j', '-d', '-n', endpoint(i), what, 'show'], { stdio: 'ignore' })
  }
  const look = async (): Promise<void> => {
    const { snapshot, namespaces } = await takeLiveSnapshot()
    const { found } = explainLive({
      question: { from: HOST, to: endpoint(7), target: endpointIp(7), protocol: 'icmp' },
      assume: ASSUME_NOTHING,
      answered: false,
      snapshot,
      names: {},
      owners: {},
      listening: false,
    })
    if (namespaces.length < 200 || found.cause !== 'MACVLAN_HOST_TO_CHILD') {
      throw new Error(`${namespaces.length} namespaces, ${found.headline}`)
    }
    if (found.remedies.length === 0) throw new Error('no remedy was found')
  }
  return {
    question:
      'why can a host not reach one of its 197 macvlan endpoints, on a machine as it stands?',
    unit: 'ms',
    better: 'lower',
    contestants: [
      { name: 'lanyard: everything read, explained, remedies proved', run: () => timeMs(look) },
      {
        name: `ip -j, three processes a namespace, reading only (${SAMPLE} sampled, scaled to 200)`,
        run: async () => (await timeMs(ask)) * (200 / SAMPLE),
      },
    ],
    close: async () => {
      await kernel.apply(withoutLan(COUNT), { keepGoing: true })
      await kernel.close()
    },
  }
})
