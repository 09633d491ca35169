/** `lanyard/wire`: what travels, and its bytes. Runs in a browser. */
export * from './frame.ts'
export * from './make.ts'
