/** `lanyard lab down`: removes what killed runs left on this kernel. */
import { kernelLabs } from './kernel-labs.ts'

export function labDown(name: string | undefined): void {
  const removed = kernelLabs().sweep(name)
  const text = removed.length === 0 ? 'nothing to remove' : `removed ${removed.join(', ')}`
  process.stdout.write(`${text}\n`)
}
