/** `bridge vlan`: which VLANs a port carries (bridge/vlan.c). */
import type { BridgeVlanChange } from '../../fabric/plan.ts'
import { type Arguments, matches, notYet, readNumber, ToolExit } from '../arguments.ts'
import type { BridgeOptions } from './options.ts'
import { plan, type Request } from '../request.ts'

/** Of what is here. */
const USAGE = `Usage: bridge vlan { add | del } vid VLAN_ID dev DEV [ pvid ] [ untagged ] [ self ] [ master ]
       bridge vlan { show } [ dev DEV ] [ vid VLAN_ID ]
`

export function readBridgeVlan(args: Arguments, options: BridgeOptions): Request {
  const verb = args.peek()
  if (verb === undefined) return readShow(args, options)
  args.next()
  if (matches(verb, 'add')) return readChange('bridge-vlan.add', args, options)
  if (matches(verb, 'delete')) return readChange('bridge-vlan.del', args, options)
  if (matches(verb, 'show') || matches(verb, 'lst') || matches(verb, 'list')) {
    return readShow(args, options)
  }
  if (matches(verb, 'help')) throw new ToolExit(255, USAGE)
  if (['tunnelshow', 'set', 'global'].some((k) => matches(verb, k))) {
    return notYet('bridge vlan', verb)
  }
  throw new ToolExit(255, `Command "${verb}" is unknown, try "bridge vlan help".\n`)
}

/** vlan_modify(). */
function readChange(
  verb: BridgeVlanChange['do'],
  args: Arguments,
  options: BridgeOptions,
): Request {
  let link: string | undefined
  let from: number | undefined
  let to: number | undefined
  const flags: { pvid?: true; untagged?: true; self?: true } = {}
  while (args.left > 0) {
    const word = args.next()
    if (word === 'dev') link = args.next()
    else if (word === 'vid') [from, to] = readRange(args.next())
    else if (word === 'self') flags.self = true
    else if (word === 'master') continue
    else if (word === 'pvid') flags.pvid = true
    else if (word === 'untagged') flags.untagged = true
    else if (word === 'tunnel_info') notYet('bridge vlan', word)
    else throw new ToolExit(255, `Error: either "vid" is duplicate, or "${word}" is a garbage.\n`)
  }
  if (link === undefined || from === undefined) {
    throw new ToolExit(255, 'Device and VLAN ID are required arguments.\n')
  }
  if (to !== undefined && flags.pvid === true) {
    throw new ToolExit(255, `pvid cannot be configured for a vlan range\n`)
  }
  return plan({
    do: verb,
    netns: options.netns,
    link,
    from,
    ...(to === undefined ? {} : { to }),
    ...flags,
  })
}

/** The tool itself refuses what does not fit 12 bits; 0 and 4095 are the kernel's to judge. */
function readRange(word: string): [number, number | undefined] {
  const dash = word.indexOf('-')
  const from = readNumber(dash < 0 ? word : word.slice(0, dash))
  const to = dash < 0 ? undefined : readNumber(word.slice(dash + 1))
  if (from === undefined || from >= 4096) throw new ToolExit(255, `Invalid VLAN ID "${word}"\n`)
  if (dash >= 0 && (to === undefined || to >= 4096 || to <= from)) {
    throw new ToolExit(255, `Invalid VLAN range "${word}"\n`)
  }
  return [from, to]
}

function readShow(args: Arguments, options: BridgeOptions): Request {
  let dev: string | undefined
  while (args.left > 0) {
    const word = args.next()
    if (word === 'dev') dev = args.next()
    else notYet('bridge vlan show', word)
  }
  return {
    kind: 'show',
    netns: options.netns,
    show: (view) => {
      let text = 'port              vlan-id  \n'
      const names = [...new Set(view.netns.vlans.map((v) => v.link))]
      for (const name of names) {
        if (dev !== undefined && name !== dev) continue
        const mine = view.netns.vlans.filter((v) => v.link === name)
        for (const [n, v] of mine.entries()) {
          const flags = `${v.pvid ? ' PVID' : ''}${v.untagged ? ' Egress Untagged' : ''}`
          text += `${(n === 0 ? name : '').padEnd(17)} ${v.vlan}${flags}\n`
        }
      }
      return text
    },
  }
}
