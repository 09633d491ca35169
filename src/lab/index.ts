/**
 * `lanyard/lab`: labs from YAML files, resolved, planned, run on any fabric and drawn. Runs in a
 * browser.
 */
export { changes } from './changes.ts'
export { reportJson } from './json.ts'
export { type Paint, plain, type Style } from './paint.ts'
export { drawLab } from './picture.ts'
export { type Naming, namespacesOf, planDown, planLab } from './plan.ts'
export { printCombination, printMatrix, printSummary } from './print.ts'
export { readLab } from './read.ts'
export * from './run.ts'
export { type LabFile, labJsonSchema } from './schema.ts'
export { LabSource, type Problem } from './source.ts'
export type * from './topology.ts'
export { simReason } from './why.ts'
