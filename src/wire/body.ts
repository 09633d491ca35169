/** What an IP header tells the codecs of the protocols above it. */
import type { Ip } from '../addr/ip.ts'
import type { Payload } from './frame.ts'

export interface Above {
  readonly src: Ip
  readonly dst: Ip
  /** Protocol (IPv4) or next header (IPv6). */
  readonly protocol: number
  /** Bytes the header promises; a quoted packet may have lost its end. */
  readonly length: number
  /** All of a datagram is here: its checksum and its length fields can be checked. */
  readonly whole: boolean
  /** Quoted by an ICMP error. */
  readonly quoted: boolean
}

/** Reads what stands behind an IP header; `bytes` are those that are there. */
export type PayloadDecoder = (bytes: Uint8Array, above: Above) => Payload

/** Fills `out` (all of it) with a payload. */
export type PayloadEncoder = (out: Uint8Array, payload: Payload, src: Ip, dst: Ip) => void
