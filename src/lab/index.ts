/** `lanyard/lab`: laboratories from files, on any fabric. Runs in a browser. */
export { type Naming, planDown, planLab } from './plan.ts'
export { readLab } from './read.ts'
export { type LabReport, type RunOptions, runLab } from './run.ts'
export { labJsonSchema } from './schema.ts'
export type { LabSource } from './source.ts'
export type * from './topology.ts'
