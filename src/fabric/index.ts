/** `lanyard/fabric`: the contract of plans, snapshots, traces and the places plans are done. */
export type * from './clock.ts'
export type * from './fabric.ts'
export type * from './plan.ts'
export { printOp, printPlan } from './print-ip.ts'
export * from './reason.ts'
export type * from './snapshot.ts'
export type * from './trace.ts'
