/** `lanyard/sim`: a simulated Linux that needs no root. Runs in a browser. */
export { loadSim, openSim, type SimFabric } from './fabric.ts'
export type { KernelTraits } from '../fabric/traits.ts'
export type { World } from './model.ts'
export type { RawStep } from './trace-ring.ts'
export type { WorldOptions } from './world.ts'
