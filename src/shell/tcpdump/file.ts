/**
 * `tcpdump -w` and `-r`: a capture as a file on the disk of a simulated machine. Its disk keeps
 * text, so a line holds a frame; a file for Wireshark is what `lanyard lab capture` writes.
 */
import type { CapturedFrame } from '../../fabric/fabric.ts'
import { decodeFrame } from '../../wire/codec.ts'
import type { Seen } from './print.ts'

const HEAD = 'capture'
const PAIRS = /../g

export interface CaptureFile {
  /** Taken on every link at once, with the link in front of each frame. */
  readonly any: boolean
  readonly seen: readonly Seen[]
}

export function formatCapture({ any, seen }: CaptureFile): string {
  const lines = seen.map(({ link, index, captured }) => {
    const hex = Array.from(captured.bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
    return `${captured.timeNs} ${captured.type} ${index} ${link} ${hex}\n`
  })
  return `${HEAD} ${any ? 'any' : 'one'}\n${lines.join('')}`
}

/** @returns undefined for a text that is no capture */
export function parseCapture(text: string): CaptureFile | undefined {
  const [head = '', ...lines] = text.split('\n')
  if (!/^capture (?:any|one)$/.test(head)) return undefined
  const seen = lines.flatMap((line): Seen[] => {
    const [time, type, index, link = '', hex = ''] = line.split(' ')
    const bytes = Uint8Array.from(hex.match(PAIRS) ?? [], (pair) => Number.parseInt(pair, 16))
    const frame = decodeFrame(bytes)
    if (frame === undefined) return []
    const captured = { timeNs: Number(time), type: type as CapturedFrame['type'], bytes, frame }
    return [{ link, index: Number(index), captured, frame }]
  })
  return { any: head.endsWith('any'), seen }
}
