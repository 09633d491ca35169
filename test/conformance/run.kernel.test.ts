/** The conformance suite on this machine's kernel. */
import type { Fabric } from '../../src/fabric/fabric.ts'
import { openKernel } from '../../src/kernel/fabric.ts'
import './fabric.ts'
import '../engine/crash.ts'
import './engine.ts'
import './macvlan.ts'
import './netfilter.ts'
import { runConformance } from './suite.ts'

let kernel: Promise<Fabric> | undefined

runConformance({
  open: () => (kernel ??= openKernel()),
  prefix: `conf${process.pid}-`,
  cannot: process.getuid?.() === 0 ? undefined : 'needs root for network namespaces',
})
