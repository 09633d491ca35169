/** A conformance case of the engine: in a LAN of its own, on every fabric. */
import { EngineWorld } from '../engine/world.ts'
import { conforms, type Need } from './suite.ts'

export function engines(
  name: string,
  body: (world: EngineWorld) => Promise<void>,
  ...needs: readonly Need[]
): void {
  conforms(`engine: ${name}`, (bench) => EngineWorld.run(bench, body), ...needs)
}
