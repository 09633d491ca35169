/** The small objects of `ip`: `netns`, `maddress`, `tuntap`. */
import { helpOf } from './help.ts'
import { jsonText } from '../print/json.ts'
import {
  type Arguments,
  interfaceName,
  macArgument,
  matches,
  notYet,
  ToolExit,
} from '../arguments.ts'
import { plan, type Request } from '../request.ts'
import { done } from '../session.ts'
import type { IpOptions } from './options.ts'

/** do_netns() of ip/ipnetns.c; `exec` runs its words as a command of this shell. */
export function readNetns(
  args: Arguments,
  options: IpOptions,
  exec: (netns: string, words: readonly string[]) => Request,
): Request {
  const verb = args.peek()
  if (verb === undefined) return listNetns(options)
  args.next()
  if (matches(verb, 'list') || matches(verb, 'show') || matches(verb, 'lst'))
    return listNetns(options)
  if (matches(verb, 'help')) return helpOf('netns')
  if (matches(verb, 'list-id')) return notYet('ip netns', verb)
  if (matches(verb, 'add')) {
    if (args.left === 0) throw new ToolExit(1, 'No netns name specified\n')
    return plan({ do: 'netns.add', netns: args.next() })
  }
  if (matches(verb, 'attach') || matches(verb, 'set')) return notYet('ip netns', verb)
  if (matches(verb, 'delete')) {
    if (args.left === 0) throw new ToolExit(1, 'No netns name specified\n')
    return plan({ do: 'netns.del', netns: args.next() })
  }
  if (['identify', 'pids', 'monitor'].some((k) => matches(verb, k))) return notYet('ip netns', verb)
  if (matches(verb, 'exec')) {
    if (args.left === 0) throw new ToolExit(1, 'No netns name specified\n')
    const name = args.next()
    if (args.left === 0) throw new ToolExit(1, 'No command specified\n')
    return exec(name, args.rest())
  }
  throw new ToolExit(255, `Command "${verb}" is unknown, try "ip netns help".\n`)
}

function listNetns(options: IpOptions): Request {
  return {
    kind: 'run',
    run: async (session) => {
      const all = await session.fabric.snapshot()
      // What a container has is not in /run/netns.
      const names = all.netns.map((n) => n.name).filter((n) => n !== '' && !n.includes('/'))
      // The newest first, as a tmpfs lists /run/netns; a kernel's snapshot is in that order.
      if (session.fabric.kind === 'sim') names.reverse()
      if (options.json) {
        const objects = names.map((name) => ({ name }))
        return done(objects.length === 0 ? '' : jsonText(objects, options.pretty))
      }
      return done(names.map((n) => `${n}\n`).join(''))
    },
  }
}

/** do_multiaddr() of ip/ipmaddr.c: link layer groups only. */
export function readMaddr(args: Arguments, options: IpOptions): Request {
  const verb = args.peek() ?? 'show'
  if (args.left > 0) args.next()
  const add = matches(verb, 'add')
  if (!add && !matches(verb, 'delete')) {
    if (matches(verb, 'show') || matches(verb, 'lst') || matches(verb, 'list')) {
      return notYet('ip maddress', verb)
    }
    throw new ToolExit(255, `Command "${verb}" is unknown, try "ip maddr help".\n`)
  }
  let link: string | undefined
  let mac: number | undefined
  while (args.left > 0) {
    const word = args.next()
    if (word === 'dev') link = args.next()
    else {
      if (!matches(word, 'address')) args.back()
      mac = macArgument(args)
    }
  }
  if (link === undefined) {
    throw new ToolExit(255, 'Not enough information: "dev" argument is required.\n')
  }
  if (mac === undefined) throw new ToolExit(255, 'Not enough information: address is required.\n')
  return plan({ do: add ? 'multicast.add' : 'multicast.del', netns: options.netns, link, mac })
}

/** do_iptuntap() of ip/iptuntap.c: persistent devices. */
export function readTuntap(args: Arguments, options: IpOptions): Request {
  const verb = args.peek() ?? 'show'
  if (args.left > 0) args.next()
  const add = matches(verb, 'add')
  if (!add && !matches(verb, 'delete')) return notYet('ip tuntap', verb)
  let name: string | undefined
  let mode: 'tun' | 'tap' | undefined
  while (args.left > 0) {
    const word = args.next()
    if (matches(word, 'mode')) {
      const text = args.next()
      if (matches(text, 'tun')) mode = 'tun'
      else if (matches(text, 'tap')) mode = 'tap'
      else throw new ToolExit(1, `Unknown tunnel mode "${text}"\n`)
    } else if (['user', 'group', 'one_queue', 'vnet_hdr', 'pi', 'multi_queue'].includes(word)) {
      notYet('ip tuntap', word)
    } else name = interfaceName(word === 'dev' || word === 'name' ? args.next() : word, 'name')
  }
  if (mode === undefined) throw new ToolExit(1, 'You failed to specify a tunnel mode\n')
  if (name === undefined) {
    throw new ToolExit(127, 'lanyard: ip tuntap without a name is not part of this shell yet\n')
  }
  const netns = options.netns
  return add
    ? plan({ do: 'link.add', netns, name, spec: { kind: mode } })
    : plan({ do: 'link.del', netns, name })
}
