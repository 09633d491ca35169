/** What a parent's name says: a link, or a VLAN on one, in Docker's spelling `eth0.50`. */
import { LanyardError } from '../errors.ts'
import { LINK_NAME_MAX, hash32 } from './names.ts'

/** The wanted parent, taken apart. */
export interface ParentName {
  /** The link endpoints shall hang on. */
  readonly link: string
  /** Set when `link` is a VLAN that may have to be made. */
  readonly vlan: { readonly base: string; readonly id: number } | undefined
}

/**
 * Takes a parent's name apart.
 *
 * A name with a dot that exists as it stands is a link like any other, whatever its kind: Docker
 * takes it as it is, and so do we; so whoever calls this looks first.
 *
 * @throws LanyardError `parent-name-invalid`, `vlan-invalid`
 * @example
 * ```ts
 * parseParent('eth0.50') // { link: 'eth0.50', vlan: { base: 'eth0', id: 50 } }
 * parseParent('eth0', 50) // the same
 * ```
 */
export function parseParent(name: string, vlan?: number): ParentName {
  const parts = name.split('.')
  if (vlan === undefined && parts.length === 1) return { link: name, vlan: undefined }
  if (vlan !== undefined) {
    if (parts.length > 2) throw new LanyardError('parent-name-invalid', { name })
    const base = parts[0] ?? ''
    const named = parts[1]
    // `eth0.50` together with VLAN 50 says one thing twice; with 60 it would be a tag in a tag.
    if (named !== undefined && named !== String(vlan))
      throw new LanyardError('parent-name-invalid', { name: `${name}.${vlan}` })
    return { link: vlanName(base, checkVlan(vlan)), vlan: { base, id: vlan } }
  }
  const [base = '', id = ''] = parts
  if (parts.length > 2 || base === '') throw new LanyardError('parent-name-invalid', { name })
  if (!/^[0-9]+$/.test(id)) throw new LanyardError('vlan-invalid', { received: id })
  return { link: name, vlan: { base, id: checkVlan(Number(id)) } }
}

/** `eth0.50`; where that is too long for a link's name, a short hash stands for the base. */
function vlanName(base: string, id: number): string {
  const name = `${base}.${id}`
  if (name.length <= LINK_NAME_MAX) return name
  return `v${hash32(base).toString(16).padStart(8, '0')}.${id}`
}

function checkVlan(id: number): number {
  if (Number.isInteger(id) && id >= 1 && id <= 4094) return id
  throw new LanyardError('vlan-invalid', { received: String(id) })
}
