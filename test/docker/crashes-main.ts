/**
 * `npm run docker:crashes -- --cycles 200 --seed 7`: the crash cycles of the docker suite, as many
 * as one likes, each told as it goes.
 */
import { isDeepStrictEqual, parseArgs } from 'node:util'
import { buildProgram, removeProgram } from '../support/program.ts'
import { clearAll, crash, leftOver, NOTHING_LEFT } from './crashes.ts'
import { DockerWorld, whyNoDocker } from './world.ts'

const USAGE = 'usage: npm run docker:crashes -- [--cycles NUMBER] [--seed NUMBER]'

function numbers(): { readonly cycles: number; readonly seed: number } {
  const options = { cycles: { type: 'string' }, seed: { type: 'string' } } as const
  const { cycles = '200', seed = '1' } = parseArgs({ options }).values
  for (const [name, text] of Object.entries({ cycles, seed }))
    if (!/^\d{1,9}$/.test(text)) throw new Error(`--${name} is a number, not "${text}"`)
  return { cycles: Number(cycles), seed: Number(seed) }
}

async function main(): Promise<void> {
  const { cycles, seed } = numbers()
  const why = whyNoDocker()
  if (why !== undefined) throw new Error(`no dockerd can run here: ${why}`)
  const world = new DockerWorld()
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void world.close().finally(() => process.exit(130)))
  await buildProgram()
  try {
    await world.open()
    await world.startLanyard()
    await world.startDockerd({ liveRestore: true })
    world.importImage()
    const onCycle: Parameters<typeof crash>[1]['onCycle'] = (one) =>
      console.log(
        `${one.cycle + 1}/${cycles}: ${one.killed} killed after ${one.afterMs} ms;` +
          ` commands ${one.well.map((well) => (well ? '+' : '-')).join('')};` +
          ` on the LAN: ${one.addresses.join(' ') || 'nobody'}`,
      )
    await crash(world, { cycles, seed, onCycle })
    await clearAll(world)
    const left = await leftOver(world)
    if (!isDeepStrictEqual(left, NOTHING_LEFT))
      throw new Error(`left over: ${JSON.stringify(left)}\n${world.logOf('lanyard').slice(-4000)}`)
    console.log(`${cycles} cycles, seed ${seed}: no address twice, all removed, nothing left over`)
  } finally {
    await world.close()
    removeProgram()
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  if (error instanceof Error && error.message.startsWith('--')) console.error(USAGE)
  process.exitCode = 1
})
