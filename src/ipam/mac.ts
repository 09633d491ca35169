/**
 * MAC addresses that stay the same: made from the network's id and the endpoint's name, so that an
 * endpoint keeps its own over restarts and reinstallations without anybody having to write it down.
 */
import type { Mac } from '../addr/mac.ts'

/**
 * Locally administered, unicast, 46 bits of hash. The id of a network is random, so two hosts on
 * one LAN with the same names make different ones. `salt` makes another when that is taken.
 */
export function stableMac(networkId: string, endpoint: string, salt = 0): Mac {
  const text = `${networkId}\0${endpoint}\0${salt}`
  const high = hash(text, 0x9e3779b9)
  const low = hash(text, 0x85ebca6b)
  const firstOctet = ((high >>> 16) & 0xfc) | 0x02
  return firstOctet * 0x10000000000 + ((high & 0xff) * 0x100000000 + low)
}

/** Murmur3's mixing over UTF-16 code units. */
function hash(text: string, seed: number): number {
  let h = seed
  for (let i = 0; i < text.length; i++) {
    let k = Math.imul(text.charCodeAt(i), 0xcc9e2d51)
    k = Math.imul((k << 15) | (k >>> 17), 0x1b873593)
    h ^= k
    h = (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0
  }
  h ^= text.length
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
