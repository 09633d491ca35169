/** The command line of ping: options of iputils 20221126, of which busybox knows a part. */
import { type Ip, tryParseIp } from '../../addr/ip.ts'
import { ToolExit } from '../arguments.ts'

export interface PingOptions {
  readonly family: 4 | 6 | undefined
  readonly count: number | undefined
  readonly intervalMs: number
  readonly waitMs: number | undefined
  readonly deadlineMs: number | undefined
  readonly size: number
  readonly ttl: number | undefined
  readonly bind: string | undefined
  readonly pmtu: 'do' | 'dont' | 'want' | undefined
  readonly broadcast: boolean
  readonly quiet: boolean
  readonly host: string
}

type Draft = { -readonly [K in keyof PingOptions]: PingOptions[K] }

/** Options with a value, and those without. */
const VALUED = 'ciWwstIMQpSlmTF'
const PLAIN = '46bqnaAdDfhLOrRUvVB'

/** getopt over the words; a value may stand in the same word. */
export function readPingOptions(words: readonly string[], six: boolean): PingOptions {
  const d: Draft = {
    family: six ? 6 : undefined,
    count: undefined,
    intervalMs: 1000,
    waitMs: undefined,
    deadlineMs: undefined,
    size: 56,
    ttl: undefined,
    bind: undefined,
    pmtu: undefined,
    broadcast: false,
    quiet: false,
    host: '',
  }
  const hosts: string[] = []
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string
    if (!word.startsWith('-') || word === '-') {
      hosts.push(word)
      continue
    }
    for (let i = 1; i < word.length; i++) {
      const letter = word[i] as string
      if (VALUED.includes(letter)) {
        const value = i + 1 < word.length ? word.slice(i + 1) : words[++at]
        if (value === undefined) {
          throw new ToolExit(2, `ping: option requires an argument -- '${letter}'\n`)
        }
        readValue(letter, value, d)
        break
      }
      if (!PLAIN.includes(letter)) throw new ToolExit(2, `ping: invalid option -- '${letter}'\n`)
      readFlag(letter, d)
    }
  }
  const host = hosts.at(-1)
  if (host === undefined) throw new ToolExit(1, 'ping: usage error: Destination address required\n')
  if (hosts.length > 1)
    throw new ToolExit(127, 'lanyard: ping with hops is not part of this shell yet\n')
  return { ...d, host }
}

function readFlag(letter: string, d: Draft): void {
  if (letter === '4') d.family = 4
  else if (letter === '6') d.family = 6
  else if (letter === 'b') d.broadcast = true
  else if (letter === 'q') d.quiet = true
  else if (letter !== 'n') {
    throw new ToolExit(127, `lanyard: "-${letter}" of ping is not part of this shell yet\n`)
  }
}

/** What strtol_or_err() lets through, as it says it. */
const RANGES: Readonly<Record<string, readonly [least: number, most: string]>> = {
  c: [1, '9223372036854775807'],
  t: [0, '255'],
}

function readValue(letter: string, value: string, d: Draft): void {
  const n = Number(value)
  if (/[ciWwst]/.test(letter) && (value === '' || Number.isNaN(n) || n < 0)) {
    throw new ToolExit(1, `ping: invalid argument: '${value}'\n`)
  }
  const [least, most] = RANGES[letter] ?? []
  if (least !== undefined && (n < least || n > Number(most))) {
    const range = `out of range: ${least} <= value <= ${most}`
    throw new ToolExit(1, `ping: invalid argument: '${value}': ${range}\n`)
  }
  if (letter === 'c') d.count = n
  else if (letter === 'i') d.intervalMs = n * 1000
  else if (letter === 'W') d.waitMs = n * 1000
  else if (letter === 'w') d.deadlineMs = n * 1000
  else if (letter === 's') d.size = n
  else if (letter === 't') d.ttl = n
  else if (letter === 'I') d.bind = value
  else if (letter === 'M') d.pmtu = readPmtu(value)
  else throw new ToolExit(127, `lanyard: "-${letter}" of ping is not part of this shell yet\n`)
}

function readPmtu(value: string): 'do' | 'dont' | 'want' {
  if (value === 'do' || value === 'dont' || value === 'want') return value
  throw new ToolExit(2, `ping: invalid -M argument: ${value}\n`)
}

/** A host as getaddrinfo() reads it without a name server: inet_aton forms and IPv6 with a zone. */
export function readHost(host: string): { ip: Ip; zone: string | undefined } | undefined {
  const [text = '', zone] = host.split('%')
  if (text.includes(':')) {
    const ip = tryParseIp(text)
    return ip === undefined ? undefined : { ip, zone }
  }
  const parts = text.split('.')
  if (parts.length > 4 || parts.some((p) => !/^(0x[0-9a-f]+|\d+)$/i.test(p))) return undefined
  const numbers = parts.map(Number)
  const last = numbers.pop() ?? 0
  // inet_aton: the last part fills all bytes that are left.
  if (numbers.some((n) => n > 255) || last >= 256 ** (4 - numbers.length)) return undefined
  const high = numbers.reduce((sum, n, i) => sum + n * 256 ** (3 - i), 0)
  return { ip: high + last, zone: undefined }
}
