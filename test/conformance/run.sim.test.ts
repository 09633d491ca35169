/** The conformance suite on the simulator. */
import { openSim } from '../../src/sim/fabric.ts'
import './cases.ts'
import { runConformance } from './suite.ts'

runConformance({ open: async () => openSim({ seed: 1 }), prefix: 'conf' })
