/** The engine's cases of the conformance suite on this machine's kernel. */
import { addNative } from './native.ts'
import { isOfEngine } from './suite.ts'

await addNative(isOfEngine, false)
