/** A question: does this namespace reach that address, by this protocol? */
import type { Ip } from '../addr/ip.ts'
import type { Probe } from '../fabric/fabric.ts'

/** Long enough for an answer through any lab; silence in virtual time costs nothing. */
const TIMEOUT_MS = 500

export interface Question {
  /** Namespace that asks. */
  readonly from: string
  /** Namespace asked; undefined for a bare address. */
  readonly to: string | undefined
  readonly target: Ip
  /** Bound to this source address. */
  readonly source?: Ip
  readonly protocol: 'icmp' | 'arp' | 'udp' | 'tcp'
  /** Of udp and tcp. */
  readonly port?: number
  /** Link an ARP probe leaves by. */
  readonly link?: string
  /** Bytes of an echo's payload. */
  readonly size?: number
  /** How long to wait; default 500. */
  readonly timeoutMs?: number
}

/** The probe that asks. */
export function probeOf(question: Question): Probe {
  const { timeoutMs = TIMEOUT_MS } = question
  const { from, target, source, protocol } = question
  const base = { from, to: target, timeoutMs, ...(source === undefined ? {} : { source }) }
  if (protocol === 'arp') return { ...base, protocol, link: question.link ?? 'eth0' }
  if (protocol === 'icmp') {
    return { ...base, protocol, ...(question.size === undefined ? {} : { size: question.size }) }
  }
  return { ...base, protocol, port: question.port ?? 0 }
}

/** `icmp`, `tcp/80` */
export function formatProtocol({ protocol, port }: Question): string {
  return port === undefined ? protocol : `${protocol}/${port}`
}
