/** `lanyard/kernel`: the Linux this program runs on, as a fabric. Needs root and Node. */
export { type KernelFabric, openKernel } from './fabric.ts'
