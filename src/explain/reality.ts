/** What a real probe met, in words, and whether that is what was said. */
import { formatIp } from '../addr/ip.ts'
import type { ProbeResult } from '../fabric/fabric.ts'
import type { Explanation } from './types.ts'

/** `answered in 0.21 ms, ttl 64` */
export function resultText(result: ProbeResult): string {
  switch (result.outcome) {
    case 'reply': {
      const ttl = result.ttl === undefined ? '' : `, ttl ${result.ttl}`
      return `was answered in ${(result.rttNs / 1e6).toFixed(2)} ms${ttl}`
    }
    case 'icmp-error':
      return `got ICMP type ${result.type} code ${result.code} from ${formatIp(result.responder)}`
    case 'errno':
      return `was refused at once: ${result.errno}`
    case 'timeout':
    default:
      return 'got no answer'
  }
}

/**
 * Whether an explanation and a real probe agree. A machine has met its neighbours before, so where
 * the order decides both are right.
 */
export function agrees(found: Explanation, real: ProbeResult): boolean {
  const worked = real.outcome === 'reply'
  if (found.verdict === 'order') return true
  return (found.verdict === 'ok') === worked
}
