/** A world for a list of cases, each of which leaves it as it was. */
import { afterAll, beforeAll, describe, test } from 'vitest'
import { buildProgram, removeProgram } from '../support/program.ts'
import { Hands } from './hands.ts'
import { DockerWorld } from './world.ts'

type Add = (name: string, body: () => Promise<void> | void) => void

/** Opens a world with Lanyard and dockerd before the first case. */
export function inWorld(
  name: string,
  cases: (hands: Hands, add: Add) => void,
  suite: (name: string, body: () => void) => void = describe,
): void {
  suite(name, () => {
    const world = new DockerWorld()
    const hands = new Hands(world)
    beforeAll(async () => {
      await buildProgram()
      await world.open()
      await world.startLanyard()
      await world.startDockerd()
      world.importImage()
    })
    afterAll(async () => {
      await world.close()
      removeProgram()
    })
    cases(hands, (title, body) =>
      test(title, async () => {
        try {
          await body()
        } finally {
          hands.clear()
        }
      }),
    )
  })
}
