/**
 * How the iproute2 tools read their arguments: keywords by prefix (`matches()` in lib/utils.c, the
 * first in the tool's own order wins), and what they say of a wrong one before the kernel is asked.
 */
import { type Ip, type Prefix, tryParseIp } from '../addr/ip.ts'
import { type Mac, tryParseMac } from '../addr/mac.ts'
import { lengthOfMask } from '../addr/prefix.ts'
import { type Output, failed } from './session.ts'

/** Thrown by a parser to end the tool with what it prints; caught where the tool is run. */
export class ToolExit extends Error {
  override readonly name = 'ToolExit'
  readonly output: Output

  constructor(code: number, stderr: string, stdout = '') {
    super(stderr)
    this.output = failed(code, stderr, stdout)
  }
}

/** `matches()`: whether `word` is the keyword or a beginning of it. */
export function matches(word: string, keyword: string): boolean {
  return word !== '' && keyword.startsWith(word)
}

/** A list of arguments with a reading position. */
export class Arguments {
  readonly #words: readonly string[]
  #at = 0

  constructor(words: readonly string[]) {
    this.#words = words
  }

  get left(): number {
    return this.#words.length - this.#at
  }

  peek(): string | undefined {
    return this.#words[this.#at]
  }

  /** The next word; `incomplete()` of iproute2 when there is none. */
  next(): string {
    const word = this.#words[this.#at]
    if (word === undefined) {
      throw new ToolExit(255, 'Command line is not complete. Try option "help"\n')
    }
    this.#at++
    return word
  }

  back(): void {
    this.#at--
  }

  rest(): readonly string[] {
    const rest = this.#words.slice(this.#at)
    this.#at = this.#words.length
    return rest
  }
}

/** `invarg()` of iproute2. */
export function wrongArgument(word: string, why: string): never {
  throw new ToolExit(255, `Error: argument "${word}" is wrong: ${why}\n`)
}

/** `duparg2()` of iproute2. */
export function garbage(key: string, word: string): never {
  throw new ToolExit(255, `Error: either "${key}" is duplicate, or "${word}" is a garbage.\n`)
}

/** `get_unsigned(…, 0)`: decimal, 0x hexadecimal or 0 octal. */
export function readNumber(word: string): number | undefined {
  if (/^0x[0-9a-f]+$/i.test(word)) return Number.parseInt(word, 16)
  if (/^0[0-7]+$/.test(word)) return Number.parseInt(word, 8)
  return /^\d+$/.test(word) ? Number(word) : undefined
}

export function numberArgument(args: Arguments, why: string, max = 0xffffffff): number {
  const word = args.next()
  const n = readNumber(word)
  if (n === undefined || n > max) wrongArgument(word, why)
  return n
}

/** `parse_on_off()` and `on_off()` of iproute2 6.1. */
export function onOff(args: Arguments, key: string): boolean {
  const word = args.next()
  if (word === 'on') return true
  if (word === 'off') return false
  throw new ToolExit(1, `Error: argument of "${key}" must be "on" or "off", not "${word}"\n`)
}

/** `check_ifname()`: 1 to 15 characters, no slash, no white space. */
export function interfaceName(word: string, key: string): string {
  if (word.length === 0 || word.length > 15 || /[/\s]/.test(word)) {
    wrongArgument(word, `"${key}" not a valid ifname`)
  }
  return word
}

/** A MAC as `ll_addr_a2n` reads it: one or two hex digits a byte. */
export function readMac(word: string): Mac | undefined {
  const parts = word.split(':')
  if (parts.length !== 6 || parts.some((p) => !/^[0-9a-f]{1,2}$/i.test(p))) return undefined
  return tryParseMac(parts.map((p) => p.padStart(2, '0')).join(':'))
}

export function macArgument(args: Arguments): Mac {
  const word = args.next()
  const mac = readMac(word)
  if (mac === undefined) throw new ToolExit(1, `"${word}" is invalid lladdr.\n`)
  return mac
}

export type Family = 4 | 6 | undefined

/**
 * An address as `get_addr_1` reads it: dotted IPv4 with trailing parts left out meaning zeros at
 * the end (`10.1` is 10.1.0.0), or IPv6.
 */
export function readAddress(word: string, family: Family): Ip | undefined {
  if (word.includes(':')) return family === 4 ? undefined : tryParseIp(word)
  if (family === 6 || !/^\d{1,3}(\.\d{1,3}){0,3}$/.test(word)) return undefined
  const parts = word.split('.').map(Number)
  if (parts.some((p) => p > 255)) return undefined
  while (parts.length < 4) parts.push(0)
  return parts.reduce((sum, p) => sum * 256 + p, 0)
}

const familyWord = (family: Family) =>
  family === 4 ? 'inet' : family === 6 ? 'inet6' : 'any valid'

export function addressArgument(args: Arguments, family: Family): Ip {
  const word = args.next()
  const ip = readAddress(word, family)
  if (ip === undefined) {
    throw new ToolExit(
      1,
      `Error: ${familyWord(family)} address is expected rather than "${word}".\n`,
    )
  }
  return ip
}

/** `get_prefix()`: `default`, `all` and `any` are the empty prefix. */
export function readPrefix(word: string, family: Family): Prefix | undefined {
  if (word === 'default' || word === 'any' || word === 'all') {
    return { address: family === 6 ? 0n : 0, length: 0 }
  }
  const slash = word.indexOf('/')
  const address = readAddress(slash < 0 ? word : word.slice(0, slash), family)
  if (address === undefined) return undefined
  const full = typeof address === 'number' ? 32 : 128
  if (slash < 0) return { address, length: full }
  const length = readNumber(word.slice(slash + 1)) ?? netmaskLength(word.slice(slash + 1))
  return length === undefined || length > full ? undefined : { address, length }
}

/** `255.255.255.0` after the slash. */
function netmaskLength(text: string): number | undefined {
  const mask = /^\d+\.\d+\.\d+\.\d+$/.test(text) ? readAddress(text, 4) : undefined
  return mask === undefined ? undefined : lengthOfMask(mask)
}

/** What a keyword the tool knows and this shell does not (yet) ends with: never in silence. */
export function notYet(tool: string, word: string): never {
  throw new ToolExit(127, `lanyard: "${word}" of ${tool} is not part of this shell yet\n`)
}

export function prefixArgument(args: Arguments, family: Family): Prefix {
  return prefixWord(args.next(), family)
}

export function prefixWord(word: string, family: Family): Prefix {
  const prefix = readPrefix(word, family)
  if (prefix === undefined) {
    throw new ToolExit(
      1,
      `Error: ${familyWord(family)} prefix is expected rather than "${word}".\n`,
    )
  }
  return prefix
}
