/** `network create`'s options -> the engine's {@link NetworkSpec}. */
import { parseMac } from '../addr/mac.ts'
import type { NetworkSpec } from '../engine/types.ts'
import { LanyardError } from '../errors.ts'
import { didYouMean } from '../lab/text.ts'
import { DRIVER_OPTIONS } from './driver-options.ts'
import { type PoolOptions, poolsOf } from './network-pools.ts'

export interface CreateOptions extends PoolOptions {
  readonly driver: string
  readonly opt: readonly string[]
  readonly label: readonly string[]
  readonly internal?: boolean
}

const HELP = 'lanyard network create --help'
const refuse = (sentence: string): LanyardError =>
  new LanyardError('usage', { sentence, help: HELP })

/** Docker's own spelling of some of them. */
const ALIASES: Readonly<Record<string, string>> = {
  'com.docker.network.driver.mtu': 'mtu',
  host_iface: 'parent',
}

/**
 * Words of modes are passed on as they are: the engine refuses those it does not know in the words
 * people know.
 *
 * @throws LanyardError `usage`, `address-invalid`
 */
export function specOf(name: string, options: CreateOptions): NetworkSpec {
  const { driver } = options
  if (driver !== 'macvlan' && driver !== 'ipvlan') {
    const near = didYouMean(driver, ['macvlan', 'ipvlan'])
    throw refuse(`plugin "${driver}" not found${near}: drivers are macvlan and ipvlan`)
  }
  const given = readOptions(options.opt)
  const mode = driver === 'macvlan' ? { macvlanMode: given['mode'] } : { ipvlanMode: given['mode'] }
  const words = {
    ...(given['mode'] === undefined ? {} : mode),
    ...(given['macvlan_mode'] === undefined ? {} : { macvlanMode: given['macvlan_mode'] }),
    ...(given['ipvlan_mode'] === undefined ? {} : { ipvlanMode: given['ipvlan_mode'] }),
    ...(given['ipvlan_flag'] === undefined ? {} : { ipvlanFlag: given['ipvlan_flag'] }),
  } as Pick<NetworkSpec, 'macvlanMode' | 'ipvlanMode' | 'ipvlanFlag'>
  const reachable = driver === 'macvlan' && (words.macvlanMode ?? 'bridge') === 'bridge'
  const exclude = given['exclude'] === undefined ? [] : [given['exclude']]
  const { sources, vlan, mtu, segment } = given
  return {
    name,
    kind: driver,
    ...words,
    parent: given['parent'],
    ...(sources === undefined ? {} : { sources: sources.split(',').map(parseMac) }),
    ...(vlan === undefined ? {} : { vlan: whole('vlan', vlan) }),
    ...(mtu === undefined ? {} : { mtu: whole('mtu', mtu) }),
    ...(segment === undefined ? {} : { segment }),
    pools: poolsOf({ ...options, exclude: [...options.exclude, ...exclude] }),
    hostAccess: yesNo('host_access', given['host_access']) ?? reachable,
    internal: options.internal ?? false,
    check: oneOf('check', given['check'] ?? 'auto', ['auto', 'always', 'never']),
    attach: oneOf('attach', given['attach'] ?? 'child', ['child', 'veth']),
    labels: Object.fromEntries(options.label.map(keyValue)),
  }
}

/** `-o key=value`, each at most once. */
function readOptions(list: readonly string[]): Readonly<Record<string, string | undefined>> {
  const given: Record<string, string> = {}
  for (const text of list) {
    const [typed, value] = keyValue(text)
    const key = ALIASES[typed] ?? typed
    if (!(key in DRIVER_OPTIONS)) {
      const known = Object.keys(DRIVER_OPTIONS)
      throw refuse(
        `unknown driver option "${typed}"${didYouMean(typed, known)}: there is ${known.join(', ')}`,
      )
    }
    if (key in given && given[key] !== value) {
      throw refuse(`driver option ${key} is given twice: ${given[key]} and ${value}`)
    }
    if (value === '') throw refuse(`driver option ${key} has no value: write ${key}=VALUE`)
    given[key] = value
  }
  return given
}

function keyValue(text: string): readonly [string, string] {
  const at = text.indexOf('=')
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

function whole(key: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw refuse(`driver option ${key} is a whole number, not "${text}"`)
}

function yesNo(key: string, text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined
  if (['true', 'yes', 'on', '1'].includes(text)) return true
  if (['false', 'no', 'off', '0'].includes(text)) return false
  throw refuse(`driver option ${key} is true or false, not "${text}"`)
}

function oneOf<const W extends string>(key: string, text: string, words: readonly W[]): W {
  const word = words.find((one) => one === text)
  if (word !== undefined) return word
  throw refuse(
    `driver option ${key} is ${words.join(' or ')}, not "${text}"${didYouMean(text, words)}`,
  )
}
