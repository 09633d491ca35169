/**
 * What a lab derives from its names alone, so that the same file always gives the same MACs, tags
 * and namespaces, on every machine.
 */
import type { Mac } from '../addr/mac.ts'

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  // A last mix (murmur3's): FNV alone leaves names that differ in the last letter close.
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** MAC of a link: 02 (unicast, made up here), then 40 bits from the names of lab, node, link. */
export function macFor(lab: string, node: string, link: string): Mac {
  const name = `${lab}/${node}/${link}`
  return 0x020000000000 + (hash(`a:${name}`) & 0xff) * 0x100000000 + hash(`b:${name}`)
}

/** `IFLA_GROUP` of every link of a lab: never 0, the group of all other links. */
export function groupFor(lab: string): number {
  return (hash(`lanyard:${lab}`) & 0x3fffffff) | 0x40000000
}

/** `ifalias` of every link of a lab. */
export function aliasFor(lab: string): string {
  return `lanyard:${lab}`
}

/**
 * Prefix of a lab's namespaces on a kernel; the simulator uses the bare node names.
 * @param combination number of the combination, from 1; undefined in a lab without a matrix
 */
export function netnsPrefix(lab: string, combination: number | undefined): string {
  return combination === undefined ? `lanyard-${lab}-` : `lanyard-${lab}-${combination}-`
}
