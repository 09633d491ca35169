/**
 * Requests to the store that arrive late: their asker was told that nobody knows, or died, and
 * somebody went on. What has come since must not be taken for what was meant then.
 */
import { expect } from 'vitest'
import { onHosts, refusal } from './on-hosts.ts'

onHosts("a late disconnect leaves another host's endpoint of that name alone", async (hosts) => {
  const { world, a, b, holdUp, open } = hosts
  await a.createNetwork(world.network())
  await a.connect(world.request('a'))
  const arrive = holdUp('host', 'endpoint/lan/a')
  await refusal(a.disconnect('lan', 'a'))
  await (await open('host')).disconnect('lan', 'a')
  const there = await b.connect(world.request('a', { sandbox: 'b' }))
  expect(await arrive()).toMatchObject({ done: false })
  expect(await b.endpoints()).toEqual([there])
  expect(await b.reconcile()).toEqual([])
})

onHosts('a late disconnect leaves an endpoint alone that was connected again', async (hosts) => {
  const { world, a, holdUp, open } = hosts
  await a.createNetwork(world.network())
  const there = await a.connect(world.request('a'))
  const arrive = holdUp('host', 'endpoint/lan/a')
  await refusal(a.disconnect('lan', 'a'))
  hosts.files.clear()
  const again = await open('host')
  expect(await again.connect(world.request('a'))).toEqual(there)
  expect(await arrive()).toMatchObject({ done: false })
  expect(await again.endpoints()).toEqual([there])
  expect(await again.reconcile()).toEqual([])
})

onHosts('what a failed connect gives back late is not what came since', async (hosts) => {
  const { world, a, holdUp, open } = hosts
  await a.createNetwork(world.network())
  const fails = await open(
    'host',
    {},
    {
      faults: {
        at: (step) => {
          if (step === 'connect:1-record') throw new Error('no link today')
        },
      },
    },
  )
  const arrive = holdUp('host', 'ipam/was/eth0/lan/a')
  await refusal(fails.connect(world.request('a')))
  const there = await a.connect(world.request('a'))
  expect(await arrive()).toMatchObject({ done: false })
  expect(await a.endpoints()).toEqual([there])
  expect(await a.reconcile()).toEqual([])
})
