/** `lanyard lab down`: removes what killed runs left on this kernel. */
import { kernelLabs } from './kernel-labs.ts'

export function labDown(name: string | undefined): void {
  const removed = kernelLabs().sweep(name)
  const lines = removed.map(({ lab, namespaces: { length } }) => {
    return `removed lab ${lab}: ${length} ${length === 1 ? 'namespace' : 'namespaces'}`
  })
  process.stdout.write(`${lines.join('\n') || 'nothing to remove'}\n`)
}
