/** `ip address`: ip/ipaddress.c of iproute2 6.1. */
import { helpOf } from './help.ts'
import { broadcastOf } from '../../addr/prefix.ts'
import type { Ip, Prefix } from '../../addr/ip.ts'
import type { AddressChange } from '../../fabric/plan.ts'
import {
  addressArgument,
  type Arguments,
  matches,
  notYet,
  prefixWord,
  ToolExit,
} from '../arguments.ts'
import { plan, type Request } from '../request.ts'
import { showLinks } from './link-show.ts'
import type { IpOptions } from './options.ts'

/** do_ipaddr(). */
export function readAddressCommand(args: Arguments, options: IpOptions): Request {
  const verb = args.peek()
  if (verb === undefined) return showLinks(args, options, true)
  args.next()
  if (matches(verb, 'add')) return readChange('address.add', args, options)
  if (matches(verb, 'change') || verb === 'chg' || matches(verb, 'replace')) {
    return notYet('ip address', verb)
  }
  if (matches(verb, 'delete')) return readChange('address.del', args, options)
  if (matches(verb, 'show') || matches(verb, 'list') || matches(verb, 'lst')) {
    return showLinks(args, options, true)
  }
  if (matches(verb, 'flush')) return readFlush(args, options)
  if (matches(verb, 'help')) return helpOf('address')
  if (['save', 'showdump', 'restore'].some((k) => matches(verb, k))) {
    return notYet('ip address', verb)
  }
  throw new ToolExit(255, `Command "${verb}" is unknown, try "ip address help".\n`)
}

interface Draft {
  local: Prefix | undefined
  dev: string | undefined
  broadcast: Ip | '+' | '-' | undefined
  scope: 'global' | 'link' | 'host' | undefined
  nodad: boolean
  noprefixroute: boolean
}

/** ipaddr_modify(). */
function readChange(
  verb: 'address.add' | 'address.del',
  args: Arguments,
  options: IpOptions,
): Request {
  const d: Draft = {
    local: undefined,
    dev: undefined,
    broadcast: undefined,
    scope: undefined,
    nodad: false,
    noprefixroute: false,
  }
  while (args.left > 0) readWord(args, options, d)
  if (d.dev === undefined) {
    throw new ToolExit(1, 'Not enough information: "dev" argument is required.\n')
  }
  if (d.local === undefined) throw new ToolExit(2, 'RTNETLINK answers: Operation not supported\n')
  const op: AddressChange = {
    do: verb,
    netns: options.netns,
    link: d.dev,
    address: d.local,
    ...(typeof d.broadcast === 'number' ? { broadcast: d.broadcast } : {}),
    ...(d.broadcast === '+' && verb === 'address.add' ? { broadcast: broadcastOf(d.local) } : {}),
    ...(d.scope === undefined ? defaultScope(d.local, verb) : { scope: d.scope }),
    ...(d.nodad ? { nodad: true } : {}),
    ...(d.noprefixroute ? { noprefixroute: true } : {}),
  }
  return plan(op)
}

/** default_scope(): 127.0.0.0/8 is of host scope. */
function defaultScope(local: Prefix, verb: string): { scope?: 'host' } {
  const host = typeof local.address === 'number' && local.address >>> 24 === 127
  return host && verb === 'address.add' ? { scope: 'host' } : {}
}

function readWord(args: Arguments, options: IpOptions, d: Draft): void {
  const word = args.next()
  if (word === 'peer' || word === 'remote') notYet('ip address', word)
  else if (matches(word, 'broadcast') || word === 'brd') {
    const next = args.peek()
    if (next === '+' || next === '-') {
      d.broadcast = next
      args.next()
    } else d.broadcast = addressArgument(args, options.family)
  } else if (word === 'scope') d.scope = readScope(args.next())
  else if (word === 'dev') d.dev = args.next()
  else if (word === 'label' || word === 'metric' || word === 'anycast') notYet('ip address', word)
  else if (word === 'nodad') d.nodad = true
  else if (word === 'noprefixroute') d.noprefixroute = true
  else if (/^(home|mngtmpaddr|autojoin|optimistic)$/.test(word) || word.endsWith('_lft')) {
    notYet('ip address', word)
  } else {
    const text = word === 'local' ? args.next() : word
    if (matches(text, 'help')) helpOf('address')
    if (d.local !== undefined) {
      throw new ToolExit(255, `Error: either "local" is duplicate, or "${text}" is a garbage.\n`)
    }
    d.local = prefixWord(text, options.family)
  }
}

export function readScope(word: string): 'global' | 'link' | 'host' {
  if (word === 'global' || word === 'universe' || word === '0') return 'global'
  if (word === 'link' || word === '253') return 'link'
  if (word === 'host' || word === '254') return 'host'
  throw new ToolExit(255, `Error: argument "${word}" is wrong: invalid scope value.\n\n`)
}

/** ipaddr_flush(). */
function readFlush(args: Arguments, options: IpOptions): Request {
  let dev: string | undefined
  if (args.left === 0) throw new ToolExit(255, 'Flush requires arguments.\n')
  while (args.left > 0) {
    const word = args.next()
    if (word === 'dev') dev = args.next()
    else if (/^(to|scope|up|label|group|master|type|vrf|permanent|dynamic)$/.test(word)) {
      notYet('ip address flush', word)
    } else dev = word
  }
  if (dev === undefined) throw new ToolExit(255, 'Flush requires arguments.\n')
  return plan({ do: 'address.flush', netns: options.netns, link: dev })
}
