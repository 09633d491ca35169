/** `lanyard/wire`: what travels, and its bytes. Runs in a browser. */
export * from './frame.ts'
export * from './make.ts'
export { decodeFrame, encodeFrame } from './codec.ts'
export { printFrame, printPacket } from './print.ts'
export * from './pcapng.ts'
