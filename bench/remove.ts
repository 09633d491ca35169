/** Taking a hundred macvlan endpoints away: one request for their group, or one link at a time. */
import type { Op } from '../src/fabric/plan.ts'
import { openKernel } from '../src/kernel/fabric.ts'
import { ipBatch, measure, needRoot, timeMs } from './harness.ts'
import { PREFIX } from './worlds.ts'

const COUNT = 100
const NETNS = `${PREFIX}remove`
const GROUP = 7001
const names = Array.from({ length: COUNT }, (_, i) => `mv${i}`)

await measure('remove', async () => {
  needRoot()
  const kernel = await openKernel()
  const fill: Op[] = names.map((name) => ({
    do: 'link.add',
    netns: NETNS,
    name,
    spec: { kind: 'macvlan', parent: 'p0', macvlan: { mode: 'bridge' } },
    group: GROUP,
    up: true,
  }))
  const parent: Op = {
    do: 'link.add',
    netns: NETNS,
    name: 'p0',
    spec: { kind: 'veth', peer: { name: 'p1' } },
    up: true,
  }
  await kernel.apply([{ do: 'netns.del', netns: NETNS }], { keepGoing: true })
  await kernel.apply([{ do: 'netns.add', netns: NETNS }, parent])
  const each = async (run: () => unknown): Promise<number> => {
    await kernel.apply(fill)
    return timeMs(run)
  }
  return {
    question: `how long does it take to remove ${COUNT} macvlan endpoints?`,
    unit: 'ms',
    better: 'lower',
    contestants: [
      {
        name: 'lanyard, by group',
        run: () => each(() => kernel.apply([{ do: 'link.del-group', netns: NETNS, group: GROUP }])),
      },
      {
        name: 'lanyard, one by one',
        run: () =>
          each(() => kernel.apply(names.map((name) => ({ do: 'link.del', netns: NETNS, name })))),
      },
      {
        name: 'ip -batch, one by one',
        run: () =>
          each(() =>
            ipBatch(
              names.map((name) => `link del ${name}`),
              NETNS,
            ),
          ),
      },
      {
        name: 'ip link del group',
        run: () => each(() => ipBatch([`link del group ${GROUP}`], NETNS)),
      },
    ],
    close: async () => {
      await kernel.apply([{ do: 'netns.del', netns: NETNS }], { keepGoing: true })
      await kernel.close()
    },
  }
})
