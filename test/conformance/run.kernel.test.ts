/** The conformance suite on this machine's kernel, but for the engine's cases. */
import { addNative } from './native.ts'
import { isOfEngine } from './suite.ts'

await addNative((name) => !isOfEngine(name), true)
