/** `ip link show` and `ip address show` (ip/ipaddress.c: ipaddr_list_or_flush) from a snapshot. */
import { helpOf } from './help.ts'
import type { LinkSnapshot } from '../../fabric/snapshot.ts'
import { type Arguments, matches, notYet, ToolExit } from '../arguments.ts'
import { jsonText } from '../print/json.ts'
import { briefJson, jsonLink } from '../print/link-json.ts'
import { briefLink, printLink } from '../print/link.ts'
import { printStats } from '../print/link-stats.ts'
import { briefAddresses, oneLineAddresses, printAddresses } from '../print/address.ts'
import type { Request, View } from '../request.ts'
import { type IpOptions, oneLine } from './options.ts'

interface Filter {
  dev: string | undefined
  up: boolean
  master: string | undefined
  kind: string | undefined
  group: number | undefined
}

/** @param addresses `ip address` rather than `ip link` */
export function showLinks(args: Arguments, options: IpOptions, addresses: boolean): Request {
  const f: Filter = {
    dev: undefined,
    up: false,
    master: undefined,
    kind: undefined,
    group: undefined,
  }
  while (args.left > 0) readFilter(args, f)
  return {
    kind: 'show',
    netns: options.netns,
    counters: options.statistics,
    show: (view) => show(view, f, options, addresses),
  }
}

function readFilter(args: Arguments, f: Filter): void {
  const word = args.next()
  if (word === 'up') f.up = true
  else if (word === 'master') f.master = args.next()
  else if (word === 'type') f.kind = args.next()
  else if (word === 'group') {
    const text = args.next()
    f.group = text === 'default' ? 0 : Number(text)
  } else if (/^(to|scope|label|vrf|nomaster|permanent|dynamic|temporary|primary)$/.test(word)) {
    notYet('ip show', word)
  } else {
    const name = word === 'dev' ? args.next() : word
    if (f.dev !== undefined) {
      throw new ToolExit(255, `Error: either "dev" is duplicate, or "${name}" is a garbage.\n`)
    }
    if (matches(name, 'help')) helpOf('link')
    f.dev = name
  }
}

function show(view: View, f: Filter, options: IpOptions, addresses: boolean): string {
  const { links } = view.netns
  const missing = [f.dev].find((n) => n !== undefined && !links.some((l) => l.name === n))
  if (missing !== undefined) throw new ToolExit(1, `Device "${missing}" does not exist.\n`)
  if (f.master !== undefined && !links.some((l) => l.name === f.master)) {
    throw new ToolExit(255, `Error: argument "${f.master}" is wrong: Device does not exist\n\n`)
  }
  const kept = links.filter((l) => keeps(f, l)).sort((a, b) => a.index - b.index)
  if (options.json) {
    const wanted = kept.filter(
      (l) => !addresses || options.family === undefined || hasAddress(view, l, options.family),
    )
    const links = wanted.map((l) =>
      options.brief
        ? briefJson(view, l, options, addresses)
        : jsonLink(view, l, options, addresses),
    )
    return jsonText(links, options.pretty)
  }
  if (!addresses) {
    return kept
      .map((l) =>
        options.brief
          ? briefLink(view, l)
          : oneLine(printLink(view, l, options, false) + printStats(l, options), options),
      )
      .join('')
  }
  return kept
    .filter((l) => options.family === undefined || hasAddress(view, l, options.family))
    .map((l) =>
      options.brief
        ? briefAddresses(view, l, options)
        : options.oneline
          ? oneLineAddresses(view, l, options)
          : printLink(view, l, options, true) +
            printAddresses(view, l, options) +
            printStats(l, options),
    )
    .join('')
}

function keeps(f: Filter, l: LinkSnapshot): boolean {
  if (f.dev !== undefined && l.name !== f.dev) return false
  if (f.up && !l.up) return false
  if (f.master !== undefined && l.master !== f.master) return false
  if (f.kind !== undefined && l.kind !== f.kind) return false
  return f.group === undefined || l.group === f.group
}

function hasAddress(view: View, l: LinkSnapshot, family: 4 | 6): boolean {
  return view.netns.addresses.some(
    (a) => a.link === l.name && (typeof a.address.address === 'number' ? 4 : 6) === family,
  )
}
