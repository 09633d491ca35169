/** `ip link`: reading the command line (ip/iplink.c of iproute2 6.1) into ops. */
import { helpOf } from './help.ts'
import type { LinkAdd, LinkAttributes, LinkSet, LinkSpec } from '../../fabric/plan.ts'
import {
  type Arguments,
  garbage,
  interfaceName,
  macArgument,
  matches,
  notYet,
  numberArgument,
  onOff,
  ToolExit,
} from '../arguments.ts'
import { plan, type Request } from '../request.ts'
import { showLinks } from './link-show.ts'
import { readKind, readKindChange } from './link-kind.ts'
import type { IpOptions } from './options.ts'

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** What `iplink_parse` gathers. */
export interface LinkWords {
  dev: string | undefined
  name: string | undefined
  link: string | undefined
  netns: string | undefined
  kind: string | undefined
  attributes: Writable<LinkAttributes>
}

/** do_iplink(). */
export function readLink(args: Arguments, options: IpOptions): Request {
  const verb = args.peek()
  if (verb === undefined) return showLinks(args, options, false)
  args.next()
  if (matches(verb, 'add')) return readAdd(args, options)
  if (matches(verb, 'set') || matches(verb, 'change')) return readSet(args, options)
  if (matches(verb, 'replace')) return notYet('ip link', verb)
  if (matches(verb, 'delete')) return readDelete(args, options)
  if (matches(verb, 'show') || matches(verb, 'lst') || matches(verb, 'list')) {
    return showLinks(args, options, false)
  }
  if (matches(verb, 'help')) return helpOf('link')
  if (['xstats', 'afstats', 'property'].some((k) => matches(verb, k))) {
    return notYet('ip link', verb)
  }
  throw new ToolExit(255, `Command "${verb}" is unknown, try "ip link help".\n`)
}

function readAdd(args: Arguments, options: IpOptions): Request {
  const words = readWords(args)
  const name = words.name ?? words.dev
  if (words.kind === undefined) {
    throw new ToolExit(1, 'Not enough information: "type" argument is required\n')
  }
  const netns = words.netns ?? options.netns
  const spec = readKind(words.kind, words.link, args, (rest) => readPeer(rest, name))
  if (name === undefined) {
    throw new ToolExit(127, 'lanyard: ip link add without a name is not part of this shell yet\n')
  }
  const op: LinkAdd = {
    do: 'link.add',
    netns,
    name,
    spec,
    ...(words.netns === undefined ? {} : { parentNetns: options.netns }),
    ...words.attributes,
  }
  return plan(op)
}

/** The words after `peer` of a veth: again a whole `iplink_parse` (iplink_veth.c). */
function readPeer(args: Arguments, name: string | undefined): LinkSpec {
  if (args.peek() === undefined) {
    throw new ToolExit(
      127,
      `lanyard: a veth (${name ?? 'unnamed'}) without "peer name" is not part of this shell yet\n`,
    )
  }
  const word = args.next()
  if (word !== 'peer') {
    throw new ToolExit(1, 'Usage: ip link <options> type veth [peer <options>]\n')
  }
  const peer = readWords(args)
  const peerName = peer.name ?? peer.dev
  if (peerName === undefined) {
    throw new ToolExit(127, 'lanyard: a veth peer without a name is not part of this shell yet\n')
  }
  const { address, mtu } = peer.attributes
  return {
    kind: 'veth',
    peer: {
      name: peerName,
      ...(peer.netns === undefined ? {} : { netns: peer.netns }),
      ...(address === undefined ? {} : { address }),
      ...(mtu === undefined ? {} : { mtu }),
    },
  }
}

function readSet(args: Arguments, options: IpOptions): Request {
  const words = readWords(args)
  if (words.dev === undefined) {
    throw new ToolExit(255, 'Not enough information: "dev" argument is required.\n')
  }
  const change = words.kind === undefined ? {} : readKindChange(words.kind, args)
  const op: LinkSet = {
    do: 'link.set',
    netns: options.netns,
    name: words.dev,
    ...words.attributes,
    ...(words.name !== undefined && words.name !== words.dev ? { newName: words.name } : {}),
    ...(words.netns === undefined ? {} : { newNetns: words.netns }),
    ...change,
  }
  return plan(op)
}

function readDelete(args: Arguments, options: IpOptions): Request {
  const words = readWords(args)
  const { group } = words.attributes
  if (group !== undefined && words.dev === undefined) {
    return plan({ do: 'link.del-group', netns: options.netns, group })
  }
  if (words.dev === undefined) {
    throw new ToolExit(255, 'Not enough information: "dev" argument is required.\n')
  }
  return plan({ do: 'link.del', netns: options.netns, name: words.dev })
}

/** iplink_parse(): keywords in its own order; `type` ends it, the kind reads the rest. */
export function readWords(args: Arguments): LinkWords {
  const w: LinkWords = {
    dev: undefined,
    name: undefined,
    link: undefined,
    netns: undefined,
    kind: undefined,
    attributes: {},
  }
  while (args.left > 0) {
    const word = args.next()
    if (matches(word, 'type') && !readsEarlier(word)) {
      w.kind = args.next()
      return w
    }
    readWord(word, args, w)
  }
  return w
}

/**
 * Keywords iplink_parse tries before `type` that a beginning of "type" could also mean: none but
 * "t".
 */
function readsEarlier(word: string): boolean {
  return matches(word, 'txqueuelen') || matches(word, 'txqlen')
}

const NOT_YET: readonly string[] = [
  'xdp',
  'xdpgeneric',
  'xdpdrv',
  'xdpoffload',
  'vf',
  'vrf',
  'mode',
  'state',
  'protodown',
  'protodown_reason',
  'gso_max_size',
  'gso_max_segs',
  'gro_max_size',
  'trailers',
  'multicast',
  'carrier',
]
const NOT_YET_PREFIX: readonly string[] = [
  'dynamic',
  'numtxqueues',
  'numrxqueues',
  'addrgenmode',
  'link-netnsid',
  'parentdev',
]

function readWord(word: string, args: Arguments, w: LinkWords): void {
  const a = w.attributes
  const is = (keyword: string) => matches(word, keyword)
  if (word === 'up') a.up = true
  else if (word === 'down') a.up = false
  else if (word === 'name') w.name = interfaceName(args.next(), 'name')
  else if (is('index')) notYet('ip link', word)
  else if (is('link')) w.link = args.next()
  else if (is('address')) a.address = macArgument(args)
  else if (is('broadcast') || word === 'brd') notYet('ip link', word)
  else if (is('txqueuelen') || word === 'qlen' || is('txqlen')) {
    a.txQueueLength = numberArgument(args, 'Invalid "txqueuelen" value\n')
  } else if (word === 'mtu') a.mtu = numberArgument(args, 'Invalid "mtu" value\n')
  else if (word === 'netns') w.netns = args.next()
  else if (word === 'allmulticast') a.allmulticast = onOff(args, 'allmulticast')
  else if (word === 'promisc') a.promisc = onOff(args, 'promisc')
  else if (word === 'arp') a.arp = onOff(args, 'arp')
  else if (is('master')) a.master = args.next()
  else if (is('nomaster')) a.master = null
  else if (NOT_YET.includes(word)) notYet('ip link', word)
  else if (is('alias')) a.alias = args.next()
  else if (word === 'group') a.group = readGroup(args.next())
  else if (NOT_YET_PREFIX.some(is)) notYet('ip link', word)
  else readDev(word, args, w)
}

function readDev(word: string, args: Arguments, w: LinkWords): void {
  if (matches(word, 'help')) helpOf('link')
  const name = word === 'dev' ? args.next() : word
  if (w.dev !== undefined) garbage('dev', name)
  // check_ifname(); a name with @ is legal here and simply not found later.
  w.dev = interfaceName(name, 'dev')
}

/** rtnl_group_a2n(): a number, or `default`. */
function readGroup(word: string): number {
  if (word === 'default') return 0
  if (/^\d+$/.test(word)) return Number(word)
  throw new ToolExit(255, `Error: argument "${word}" is wrong: Invalid "group" value\n\n`)
}
