/**
 * Reads the `ip`, `bridge` and `vconfig` commands in which test/truth tells its topologies, as ops.
 * Only what those files use; a word it does not know throws, so that no row is misread in silence.
 */
import { parseIp } from '../../src/addr/ip.ts'
import { parseMac } from '../../src/addr/mac.ts'
import type { LinkSpec, MacvlanOptions, Op } from '../../src/fabric/plan.ts'

type Loose<T> = { -readonly [K in keyof T]: T[K] }

class Words {
  readonly #words: string[]
  readonly text: string

  constructor(text: string) {
    this.text = text
    this.#words = text.trim().split(/\s+/)
  }

  get left(): boolean {
    return this.#words.length > 0
  }

  peek(): string | undefined {
    return this.#words[0]
  }

  next(): string {
    const word = this.#words.shift()
    if (word === undefined) throw new Error(`too few words: ${this.text}`)
    return word
  }

  take(word: string): boolean {
    if (this.#words[0] !== word) return false
    this.#words.shift()
    return true
  }
}

/** The ops of one command line; undefined when it is not one that changes links. */
export function readCommand(text: string): Op[] | undefined {
  const words = new Words(text)
  const program = words.next()
  if (program === 'bridge') return readBridge(words)
  if (program !== 'ip') return undefined
  if (words.take('netns')) {
    const verb = words.next()
    if (verb === 'exec') return undefined
    return [{ do: verb === 'add' ? 'netns.add' : 'netns.del', netns: words.next() }]
  }
  const netns = words.take('-n') ? words.next() : ''
  const what = words.next()
  if (what === 'maddr') return [readMaddr(words, netns)]
  if (what === 'tuntap') {
    words.take('add')
    const name = words.next()
    words.take('mode')
    const kind = words.next() as 'tun' | 'tap'
    return [{ do: 'link.add', netns, name, spec: { kind } }]
  }
  if (what === 'addr' && words.take('add')) return [readAddress(words, netns)]
  if (what !== 'link') return undefined
  if (words.take('add')) return [readAdd(words, netns)]
  if (words.take('set')) return [readSet(words, netns)]
  if (words.take('del')) return [{ do: 'link.del', netns, name: words.next() }]
  return undefined
}

function readMaddr(words: Words, netns: string): Op {
  const verb = words.next() === 'add' ? 'multicast.add' : 'multicast.del'
  const mac = parseMac(words.next())
  words.take('dev')
  return { do: verb, netns, link: words.next(), mac }
}

function readAddress(words: Words, netns: string): Op {
  const [ip = '', length = '32'] = words.next().split('/')
  words.take('dev')
  return {
    do: 'address.add',
    netns,
    link: words.next(),
    address: { address: parseIp(ip), length: Number(length) },
  }
}

function readAdd(words: Words, netns: string): Op {
  const op: Record<string, unknown> = { do: 'link.add', netns }
  let parent: string | undefined
  for (;;) {
    const word = words.next()
    if (word === 'link') parent = words.next()
    else if (word === 'name' || word === 'dev') op['name'] = words.next()
    else if (word === 'address') op['address'] = parseMac(words.next())
    else if (word === 'mtu') op['mtu'] = Number(words.next())
    else if (word === 'netns') {
      op['parentNetns'] = netns
      op['netns'] = words.next()
    } else if (word === 'type') break
    else op['name'] = word
  }
  op['spec'] = readSpec(words, parent)
  return op as unknown as Op
}

function readSpec(words: Words, parent: string | undefined): LinkSpec {
  const kind = words.next()
  switch (kind) {
    case 'veth':
      words.take('peer')
      words.take('name')
      return { kind, peer: { name: words.next() } }
    case 'macvlan':
    case 'macvtap':
      return { kind, parent, macvlan: readMacvlan(words) }
    case 'ipvlan': {
      // ip always says the flag
      const spec: Record<string, unknown> = { kind, parent, flag: 'bridge' }
      while (words.left) {
        const word = words.next()
        if (word === 'mode') spec['mode'] = words.next()
        else if (spec['flag'] === 'bridge') spec['flag'] = word
        else throw new Error(`ipvlan ${word}`)
      }
      return spec as unknown as LinkSpec
    }
    case 'bridge':
      return { kind, bridge: readBridgeOptions(words) }
    case 'vlan':
      return readVlan(words, parent)
    case 'vxlan':
      words.take('id')
      return readVxlan(words, Number(words.next()))
    case 'dummy':
      return { kind }
  }
  throw new Error(`unknown kind: ${words.text}`)
}

function readVxlan(words: Words, id: number): LinkSpec {
  words.take('dstport')
  const port = Number(words.next())
  words.take('dev')
  return { kind: 'vxlan', id, port, parent: words.next() }
}

function readVlan(words: Words, parent: string | undefined): LinkSpec {
  const spec: Record<string, unknown> = { kind: 'vlan', parent, id: undefined }
  const pair = () => words.next().split(':').map(Number)
  while (words.left) {
    const word = words.next()
    if (word === 'id') spec['id'] = Number(words.next())
    else if (word === 'protocol') spec['protocol'] = words.next()
    else if (word === 'loose_binding') spec['looseBinding'] = words.next() === 'on'
    else if (word === 'ingress-qos-map') spec['ingressQos'] = [pair()]
    else if (word === 'egress-qos-map') spec['egressQos'] = [pair()]
    else if (word === 'gvrp') words.next()
    else throw new Error(`vlan ${word}`)
  }
  return spec as unknown as LinkSpec
}

function readMacvlan(words: Words): MacvlanOptions {
  const options: Loose<MacvlanOptions> = {}
  while (words.left) {
    const word = words.next()
    if (word === 'mode') options.mode = words.next() as NonNullable<MacvlanOptions['mode']>
    else if (word === 'nopromisc') options.nopromisc = true
    else if (word === 'nodst') options.nodst = true
    else if (word === 'bcqueuelen') options.broadcastQueueLength = Number(words.next())
    else if (word === 'macaddr') {
      const verb = words.next()
      const change = verb === 'del' ? 'remove' : (verb as 'set' | 'add' | 'flush')
      options.sources = { change, macs: words.left ? [parseMac(words.next())] : [] }
    } else throw new Error(`macvlan ${word}`)
  }
  return options
}

/** Options of `type bridge`, times in hundredths of a second as ip says them. */
export function readBridgeOptions(words: Words | string): Record<string, unknown> {
  const rest = typeof words === 'string' ? new Words(words) : words
  const options: Record<string, unknown> = {}
  while (rest.left) {
    const word = rest.next()
    if (word === '') continue
    const value = Number(rest.next())
    if (word === 'vlan_filtering') options['vlanFiltering'] = value === 1
    else if (word === 'ageing_time') options['ageingTime'] = value / 100
    else if (word === 'forward_delay') options['forwardDelay'] = value / 100
    else if (word === 'stp_state') options['stp'] = value === 1
    else if (word === 'group_fwd_mask') options['groupForwardMask'] = value
    else if (word === 'vlan_default_pvid') options['vlanDefaultPvid'] = value
    else throw new Error(`bridge ${word}`)
  }
  return options
}

function readSet(words: Words, netns: string): Op {
  words.take('dev')
  const op: Record<string, unknown> = { do: 'link.set', netns, name: words.next() }
  while (words.left) {
    const word = words.next()
    if (word === 'up' || word === 'down') op['up'] = word === 'up'
    else if (word === 'address') op['address'] = parseMac(words.next())
    else if (word === 'mtu') op['mtu'] = Number(words.next())
    else if (word === 'netns') op['newNetns'] = words.next()
    else if (word === 'name') op['newName'] = words.next()
    else if (word === 'master') op['master'] = words.next()
    else if (word === 'nomaster') op['master'] = null
    else if (word === 'promisc') op['promisc'] = words.next() === 'on'
    else if (word === 'allmulticast') op['allmulticast'] = words.next() === 'on'
    else if (word === 'type') {
      const kind = words.next()
      if (kind === 'bridge') op['bridge'] = readBridgeOptions(words)
      else if (kind === 'macvlan') op['macvlan'] = readMacvlan(words)
      else if (kind === 'ipvlan') {
        words.take('mode')
        op['ipvlan'] = { mode: words.next(), flag: 'bridge' }
      }
    } else throw new Error(`link set ${word}`)
  }
  return op as unknown as Op
}

const PORT_FLAGS: Readonly<Record<string, string>> = {
  hairpin: 'hairpin',
  isolated: 'isolated',
  learning: 'learning',
  flood: 'flood',
  mcast_flood: 'multicastFlood',
  bcast_flood: 'broadcastFlood',
  locked: 'locked',
}

function readBridge(words: Words): Op[] | undefined {
  const netns = words.take('-n') ? words.next() : ''
  const what = words.next()
  const verb = words.next()
  if (what === 'link' && verb === 'set') {
    words.take('dev')
    const name = words.next()
    const flag = PORT_FLAGS[words.next()] ?? 'unknown'
    return [{ do: 'link.set', netns, name, port: { [flag]: words.next() === 'on' } }]
  }
  if (what === 'vlan' && (verb === 'add' || verb === 'del')) {
    words.take('dev')
    const link = words.next()
    words.take('vid')
    const op: Record<string, unknown> = {
      do: `bridge-vlan.${verb}`,
      netns,
      link,
      from: Number(words.next()),
    }
    while (words.left) op[words.next()] = true
    return [op as unknown as Op]
  }
  if (what === 'fdb' && (verb === 'add' || verb === 'del')) {
    const mac = parseMac(words.next())
    words.take('dev')
    const op: Record<string, unknown> = {
      do: `fdb.${verb}`,
      netns,
      link: words.next(),
      mac,
      on: 'self',
    }
    while (words.left) {
      const word = words.next()
      if (word === 'master') op['on'] = 'master'
      else op['state'] = word
    }
    return [op as unknown as Op]
  }
  return undefined
}
