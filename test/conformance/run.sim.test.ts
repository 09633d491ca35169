/** The conformance suite on the simulator. */
import { openSim } from '../../src/sim/fabric.ts'
import './fabric.ts'
import '../engine/crash.ts'
import './engine.ts'
import './macvlan.ts'
import './netfilter.ts'
import { runConformance } from './suite.ts'

runConformance({ open: async () => openSim({ seed: 1 }), prefix: 'conf' })
