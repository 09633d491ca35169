/** `network create`'s options -> the engine's {@link NetworkSpec}. */
import { parseMac } from '../addr/mac.ts'
import type { NetworkSpec } from '../engine/types.ts'
import { LanyardError } from '../errors.ts'
import { didYouMean } from '../lab/text.ts'
import { DRIVER_OPTIONS } from './driver-options.ts'
import { IPVLAN_MODES } from '../driver/options.ts'
import { type PoolOptions, poolsOf, withExcluded } from './network-pools.ts'

export interface CreateOptions extends PoolOptions {
  readonly driver: string
  readonly opt: readonly string[]
  readonly label: readonly string[]
  readonly internal?: boolean
  readonly parent?: string
  readonly vlan?: string
  readonly attach?: string
}

/** Driver options that are options of the command, too. */
const SHORT = ['parent', 'vlan', 'attach'] as const

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
  const { driver, opt, label, internal = false } = options
  if (driver !== 'macvlan' && driver !== 'ipvlan') {
    const near = didYouMean(driver, ['macvlan', 'ipvlan'])
    throw refuse(`plugin "${driver}" not found${near}: drivers are macvlan and ipvlan`)
  }
  const labels = Object.fromEntries(label.map(keyValue))
  const short = SHORT.flatMap((key) =>
    options[key] === undefined ? [] : [`${key}=${options[key]}`],
  )
  const pools = poolsOf(options)
  return specFrom({ name, kind: driver, opt: [...opt, ...short], pools, internal, labels })
}

/**
 * The same from Docker's door, where the mode says the kind.
 *
 * @throws LanyardError `usage`, `address-invalid`
 */
export function specOfDocker(asked: {
  readonly name: string
  readonly options: Readonly<Record<string, string>>
  readonly pools: NetworkSpec['pools']
  readonly internal: boolean
  readonly labels: Readonly<Record<string, string>>
}): NetworkSpec {
  const { options, ...rest } = asked
  const words: readonly string[] = IPVLAN_MODES
  const isIpvlan =
    ['ipvlan_mode', 'ipvlan_flag'].some((key) => key in options) ||
    words.includes(options['mode'] ?? '')
  const opt = Object.entries(options).map(([key, value]) => `${key}=${value}`)
  return specFrom({ ...rest, kind: isIpvlan ? 'ipvlan' : 'macvlan', opt })
}

function specFrom(asked: {
  readonly name: string
  readonly kind: NetworkSpec['kind']
  readonly opt: readonly string[]
  readonly pools: NetworkSpec['pools']
  readonly internal: boolean
  readonly labels: Readonly<Record<string, string>>
}): NetworkSpec {
  const { name, kind, pools, internal, labels } = asked
  const given = readOptions(asked.opt)
  const mode = kind === 'macvlan' ? { macvlanMode: given['mode'] } : { ipvlanMode: given['mode'] }
  const words = {
    ...(given['mode'] === undefined ? {} : mode),
    ...(given['macvlan_mode'] === undefined ? {} : { macvlanMode: given['macvlan_mode'] }),
    ...(given['ipvlan_mode'] === undefined ? {} : { ipvlanMode: given['ipvlan_mode'] }),
    ...(given['ipvlan_flag'] === undefined ? {} : { ipvlanFlag: given['ipvlan_flag'] }),
  } as Pick<NetworkSpec, 'macvlanMode' | 'ipvlanMode' | 'ipvlanFlag'>
  const reachable = kind === 'macvlan' && (words.macvlanMode ?? 'bridge') === 'bridge'
  const exclude = given['exclude'] === undefined ? [] : [given['exclude']]
  const { sources, vlan, mtu, parent_mtu: parentMtu, segment } = given
  const promisc = yesNo('promisc', given['promisc'])
  return {
    name,
    kind,
    ...words,
    parent: given['parent'],
    ...(sources === undefined ? {} : { sources: sources.split(',').map(parseMac) }),
    ...(vlan === undefined ? {} : { vlan: whole('vlan', vlan) }),
    ...(mtu === undefined ? {} : { mtu: whole('mtu', mtu) }),
    ...(parentMtu === undefined ? {} : { parentMtu: whole('parent_mtu', parentMtu) }),
    ...(promisc === true ? { parentPromisc: true } : {}),
    ...(segment === undefined ? {} : { segment }),
    pools: exclude.length === 0 ? pools : withExcluded(pools, exclude),
    hostAccess: yesNo('host_access', given['host_access']) ?? reachable,
    internal,
    check: oneOf('check', given['check'] ?? 'auto', ['auto', 'always', 'never']),
    attach: oneOf('attach', given['attach'] ?? 'child', ['child', 'veth']),
    labels,
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
