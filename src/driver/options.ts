/** Options that come as words: from a command line, a request, an older record. */
import { LanyardError } from '../errors.ts'
import type { IpvlanFlag, IpvlanMode, MacvlanMode } from '../fabric/plan.ts'
import type { NetworkOptions } from './network.ts'

export const MACVLAN_MODES: readonly MacvlanMode[] = [
  'bridge',
  'private',
  'vepa',
  'passthru',
  'source',
]
export const IPVLAN_MODES: readonly IpvlanMode[] = ['l2', 'l3', 'l3s']
export const IPVLAN_FLAGS: readonly IpvlanFlag[] = ['bridge', 'private', 'vepa']

/**
 * Checks that the words of a network are words of its kind: types end where JSON begins.
 *
 * @throws LanyardError `mode-invalid`, `flag-invalid`, `network-invalid`
 */
export function checkOptions(network: NetworkOptions): void {
  const { name, kind, macvlanMode, ipvlanMode, ipvlanFlag, mtu } = network
  const invalid = (why: string) => new LanyardError('network-invalid', { network: name, why })
  if (kind !== 'macvlan' && kind !== 'ipvlan')
    throw new LanyardError('network-invalid', {
      network: name,
      why: `plugin "${String(kind)}" not found: kinds are macvlan and ipvlan`,
      mend: '-d macvlan (each endpoint its own MAC) or -d ipvlan (all the parent’s)',
    })
  if (kind === 'macvlan') {
    if (ipvlanMode !== undefined || ipvlanFlag !== undefined)
      throw invalid('a macvlan network has no ipvlan mode and no ipvlan flag')
    checkWord('mode', kind, macvlanMode, MACVLAN_MODES)
    if (network.sources !== undefined && macvlanMode !== 'source')
      throw invalid('only mode source has a list of source MACs')
  } else {
    if (macvlanMode !== undefined) throw invalid('an ipvlan network has no macvlan mode')
    checkWord('mode', kind, ipvlanMode, IPVLAN_MODES)
    checkWord('flag', kind, ipvlanFlag, IPVLAN_FLAGS)
  }
  for (const bytes of [mtu, network.parentMtu])
    if (bytes !== undefined && (!Number.isInteger(bytes) || bytes < 68 || bytes > 65535))
      throw invalid(`its MTU is ${bytes}: from 68 to 65535 it may be`)
}

function checkWord(
  what: 'mode' | 'flag',
  kind: 'macvlan' | 'ipvlan',
  value: string | undefined,
  allowed: readonly string[],
): void {
  if (value === undefined || allowed.includes(value)) return
  if (what === 'flag') throw new LanyardError('flag-invalid', { flag: value, allowed })
  throw new LanyardError('mode-invalid', { kind, mode: value, allowed })
}
