/** Names that last: who this installation is, and the MACs that follow from it. */
import type { Mac } from '../addr/mac.ts'
import { hash32 } from '../driver/names.ts'
import { LanyardError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import { ID_KEY } from './records.ts'

/** So many random bytes. */
export type Random = (count: number) => Uint8Array

export function hexOf(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

/**
 * The installation's id, made up once: two hosts on one LAN with networks and endpoints of the same
 * names must not make the same MACs. Those who share a store share it.
 */
export async function engineId(store: Store, random: Random): Promise<string> {
  const known = await store.get(ID_KEY)
  if (known !== undefined) return known.value
  const made = hexOf(random(16))
  const { done, found } = await store.transact({
    when: [{ key: ID_KEY, is: 'absent' }],
    then: [{ put: ID_KEY, value: made }],
    otherwise: [ID_KEY],
  })
  return done ? made : (found[0]?.value ?? made)
}

/**
 * A MAC that is the same whenever the same is asked: locally administered, unicast, 46 bits of a
 * hash over the installation's id and the names. No secret hangs on it, so it need not be a strong
 * one, only an even one.
 */
export function stableMac(id: string, ...names: readonly string[]): Mac {
  const text = [id, ...names].join('\0')
  const high = mix(hash32(`h${text}`))
  const low = mix(hash32(`l${text}`))
  const first = ((high >>> 8) & 0xfc) | 0x02
  return (first * 256 + (high & 0xff)) * 0x100000000 + low
}

/** MurmurHash3's last step: every bit of the outcome hangs on every bit of what went in. */
function mix(hash: number): number {
  let h = hash
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/**
 * Names of networks and endpoints: parts of keys, aliases and commands.
 *
 * @throws LanyardError `endpoint-invalid`
 */
export function checkName(name: string): void {
  const invalid = (why: string) => new LanyardError('endpoint-invalid', { endpoint: name, why })
  if (name.length === 0) throw invalid('it is empty')
  if (name.length > 128) throw invalid('it is longer than 128 characters')
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.:-]*$/.test(name))
    throw invalid('only letters, digits and "_.-:" are allowed, a letter or digit first')
}
