/** `bridge link`: flags of a bridge port (bridge/link.c). */
import type { PortOptions } from '../../fabric/plan.ts'
import { type Arguments, matches, notYet, ToolExit } from '../arguments.ts'
import type { BridgeOptions } from './options.ts'
import { linkFlags, linkName } from '../print/link.ts'
import { onOffWord, portStateName } from '../print/link-details.ts'
import { plan, type Request, type View } from '../request.ts'
import type { LinkSnapshot } from '../../fabric/snapshot.ts'

const USAGE = `Usage: bridge link set dev DEV [ cost COST ] [ priority PRIO ] [ state STATE ]
                               [ guard {on | off} ]
                               [ hairpin {on | off} ]
                               [ fastleave {on | off} ]
                               [ root_block {on | off} ]
                               [ learning {on | off} ]
                               [ learning_sync {on | off} ]
                               [ flood {on | off} ]
                               [ mcast_router MULTICAST_ROUTER ]
                               [ mcast_flood {on | off} ]
                               [ bcast_flood {on | off} ]
                               [ mcast_to_unicast {on | off} ]
                               [ neigh_suppress {on | off} ]
                               [ vlan_tunnel {on | off} ]
                               [ isolated {on | off} ]
                               [ locked {on | off} ]
                               [ hwmode {vepa | veb} ]
                               [ backup_port DEVICE ] [ nobackup_port ]
                               [ self ] [ master ]
       bridge link show [dev DEV]
`

export function readBridgeLink(args: Arguments, options: BridgeOptions): Request {
  const verb = args.peek()
  if (verb === undefined) return readShow(args, options)
  args.next()
  if (matches(verb, 'set') || matches(verb, 'change')) return readSet(args, options)
  if (matches(verb, 'show') || matches(verb, 'lst') || matches(verb, 'list')) {
    return readShow(args, options)
  }
  if (matches(verb, 'help')) throw new ToolExit(255, USAGE)
  throw new ToolExit(255, `Command "${verb}" is unknown, try "bridge link help".\n`)
}

const SWITCHES: Readonly<Record<string, keyof PortOptions>> = {
  hairpin: 'hairpin',
  learning: 'learning',
  flood: 'flood',
  mcast_flood: 'multicastFlood',
  bcast_flood: 'broadcastFlood',
  isolated: 'isolated',
  locked: 'locked',
}
const NOT_YET: readonly string[] = [
  'guard',
  'fastleave',
  'root_block',
  'learning_sync',
  'mcast_router',
  'mcast_to_unicast',
  'cost',
  'priority',
  'hwmode',
  'self',
  'neigh_suppress',
  'vlan_tunnel',
  'backup_port',
  'nobackup_port',
]
const STATES: readonly string[] = ['disabled', 'listening', 'learning', 'forwarding', 'blocking']

/** brlink_modify(). */
function readSet(args: Arguments, options: BridgeOptions): Request {
  let dev: string | undefined
  const port: Record<string, boolean | number> = {}
  while (args.left > 0) {
    const word = args.next()
    const flag = SWITCHES[word]
    if (word === 'dev') dev = args.next()
    else if (flag !== undefined) port[flag] = readSwitch(args, word)
    else if (word === 'state') port['state'] = readState(args.next())
    else if (word === 'master') continue
    else if (NOT_YET.includes(word)) notYet('bridge link set', word)
    else throw new ToolExit(255, USAGE)
  }
  if (dev === undefined) throw new ToolExit(255, 'Device is a required argument.\n')
  return plan({ do: 'link.set', netns: options.netns, name: dev, port })
}

/** parse_one_of(): exit code 234 is -EINVAL as a byte. */
function readSwitch(args: Arguments, key: string): boolean {
  const word = args.next()
  if (word === 'on') return true
  if (word === 'off') return false
  throw new ToolExit(234, `Error: argument of "${key}" must be one of "off", "on", not "${word}"\n`)
}

function readState(word: string): number {
  if (/^\d+$/.test(word)) return Number(word)
  const state = STATES.indexOf(word.toLowerCase())
  if (state < 0) throw new ToolExit(255, 'Error: invalid STP port state\n')
  return state
}

function readShow(args: Arguments, options: BridgeOptions): Request {
  let dev: string | undefined
  while (args.left > 0) {
    const word = args.next()
    if (word !== 'dev') notYet('bridge link show', word)
    dev = args.next()
  }
  return {
    kind: 'show',
    netns: options.netns,
    show: (view) => {
      if (dev !== undefined && !view.netns.links.some((l) => l.name === dev)) {
        throw new ToolExit(255, `Cannot find device "${dev}"\n`)
      }
      return view.netns.links
        .filter((l) => l.port !== undefined && (dev === undefined || l.name === dev))
        .sort((a, b) => a.index - b.index)
        .map((l) => printPort(view, l, options))
        .join('')
    },
  }
}

/** print_linkinfo() of bridge/link.c. */
function printPort(view: View, l: LinkSnapshot, options: BridgeOptions): string {
  const p = l.port
  if (p === undefined) return ''
  const head =
    `${l.index}: ${linkName(view, l)}: <${linkFlags(view, l)
      .filter((f) => f !== 'M-DOWN')
      .join(',')}> ` +
    `mtu ${l.mtu} master ${l.master} state ${portStateName(p.state)} priority 32 cost 2 \n`
  if (!options.details) return head
  const parts = [
    `hairpin ${onOffWord(p.hairpin)} guard off root_block off fastleave off`,
    `learning ${onOffWord(p.learning)} flood ${onOffWord(p.flood)}`,
    `mcast_flood ${onOffWord(p.multicastFlood)} bcast_flood ${onOffWord(p.broadcastFlood)}`,
    'mcast_router 1 mcast_to_unicast off neigh_suppress off vlan_tunnel off',
    `isolated ${onOffWord(p.isolated)} locked ${onOffWord(p.locked)} `,
  ]
  return `${head}    ${parts.join(' ')}\n`
}
