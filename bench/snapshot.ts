/** Everything there is in a thousand namespaces, beside `ip -j` asked three questions in each. */
import { execFileSync } from 'node:child_process'
import type { Op } from '../src/fabric/plan.ts'
import { openKernel } from '../src/kernel/fabric.ts'
import { measure, needRoot, timeMs } from './harness.ts'
import { endpoint, HOST, macvlanLan, withoutLan } from './worlds.ts'

const COUNT = 1000
const SAMPLE = 25

await measure('snapshot', async () => {
  needRoot()
  const kernel = await openKernel()
  await kernel.apply(withoutLan(COUNT), { keepGoing: true })
  const plan: Op[] = [...macvlanLan(COUNT)]
  await kernel.apply(plan)
  const netns = [HOST, ...Array.from({ length: COUNT }, (_, i) => endpoint(i))]
  const ask = (): void => {
    for (const name of netns.slice(0, SAMPLE))
      for (const what of ['link', 'address', 'route'])
        execFileSync('ip', ['-j', '-d', '-n', name, what, 'show'], { stdio: 'ignore' })
  }
  const take = async (): Promise<void> => {
    const snapshot = await kernel.snapshot({ netns })
    const parent = snapshot.netns.at(-1)?.links.find((l) => l.name === 'eth0')?.parent
    if (snapshot.netns.length !== netns.length || parent?.name !== 'eth0')
      throw new Error(`the snapshot is not whole: it should tell of ${COUNT} children of ${HOST}`)
  }
  return {
    question: `what is there in ${COUNT} namespaces with a macvlan endpoint each?`,
    unit: 'ms',
    better: 'lower',
    contestants: [
      { name: 'lanyard', run: () => timeMs(take) },
      {
        name: `ip -j, three processes a namespace (${SAMPLE} sampled, scaled to ${COUNT})`,
        run: async () => (await timeMs(ask)) * (COUNT / SAMPLE),
      },
    ],
    close: async () => {
      await kernel.apply(withoutLan(COUNT), { keepGoing: true })
      await kernel.close()
    },
  }
})
