/** What is said of links by name, and their MACs. */
import { isGroupMac, type Mac, tryParseMac } from '../addr/mac.ts'
import type { LabSource, Path } from './source.ts'
import { didYouMean, listed } from './text.ts'

/** IFNAMSIZ less its zero byte. */
export const LINK_NAME_BYTES = 15

/** `host h has no link "eth9" (did you mean "eth0"?): it has eth0 and eth1` */
export function noLink(host: string, link: string, links: readonly string[]): string {
  const has = links.length === 0 ? 'it has none' : `it has ${listed(links)}`
  return `host ${host} has no link "${link}"${didYouMean(link, links)}: ${has}`
}

export function tooLong(name: string): string {
  return `"${name}" has ${name.length} bytes: the name of a link has ${LINK_NAME_BYTES} at most`
}

export function parseMacAt(
  source: LabSource,
  path: Path,
  text: string | undefined,
): Mac | undefined {
  if (text === undefined) return undefined
  const mac = tryParseMac(text)
  if (mac === undefined)
    source.problem(path, `"${text}" is no MAC address: write 02:00:00:00:00:01`)
  else if (isGroupMac(mac))
    source.problem(path, `"${text}" is a group address: the first byte of a link's MAC is even`)
  else return mac
  return undefined
}
