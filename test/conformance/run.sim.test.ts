/** The conformance suite on the simulator, as either of the kernels it imitates. */
import { openSim } from '../../src/sim/fabric.ts'
import './cases.ts'
import { runConformance } from './suite.ts'

for (const version of ['6.18', '6.1'] as const)
  runConformance({
    open: async () => openSim({ seed: 1, kernel: { version } }),
    prefix: 'conf',
    title: `as Linux ${version}`,
  })
