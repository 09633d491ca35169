/** `bridge fdb`: forwarding entries (bridge/fdb.c). */
import { formatMac, type Mac } from '../../addr/mac.ts'
import type { FdbChange } from '../../fabric/plan.ts'
import type { FdbSnapshot } from '../../fabric/snapshot.ts'
import { type Arguments, matches, notYet, numberArgument, readMac, ToolExit } from '../arguments.ts'
import type { BridgeOptions } from './options.ts'
import { plan, type Request, type View } from '../request.ts'

/** Of what is here. */
const USAGE = `Usage: bridge fdb { add | del | replace } ADDR dev DEV
              [ self ] [ master ] [ local | static | dynamic ] [ sticky ] [ vlan VID ]
       bridge fdb [ show [ br BRDEV ] [ brport DEV ] [ vlan VID ] ]
       bridge fdb flush dev DEV
`

export function readFdb(args: Arguments, options: BridgeOptions): Request {
  const verb = args.peek()
  if (verb === undefined) return readShow(args, options)
  args.next()
  if (matches(verb, 'add')) return readChange('fdb.add', args, options)
  if (matches(verb, 'append')) return notYet('bridge fdb', verb)
  if (matches(verb, 'replace')) return readChange('fdb.replace', args, options)
  if (matches(verb, 'delete')) return readChange('fdb.del', args, options)
  if (matches(verb, 'get')) return notYet('bridge fdb', verb)
  if (matches(verb, 'show') || matches(verb, 'lst') || matches(verb, 'list')) {
    return readShow(args, options)
  }
  if (matches(verb, 'flush')) return readFlush(args, options)
  if (matches(verb, 'help')) throw new ToolExit(255, USAGE)
  throw new ToolExit(255, `Command "${verb}" is unknown, try "bridge fdb help".\n`)
}

/** fdb_modify(): without `master` an entry is the device's own, without a state it is permanent. */
function readChange(verb: FdbChange['do'], args: Arguments, options: BridgeOptions): Request {
  let link: string | undefined
  let text: string | undefined
  let on: 'master' | 'self' = 'self'
  let state: 'permanent' | 'static' | 'dynamic' = 'permanent'
  let vlan: number | undefined
  let sticky = false
  while (args.left > 0) {
    const word = args.next()
    if (word === 'dev') link = args.next()
    else if (word === 'self') on = 'self'
    else if (matches(word, 'master')) on = 'master'
    else if (matches(word, 'local') || matches(word, 'permanent')) state = 'permanent'
    else if (matches(word, 'temp') || matches(word, 'static')) state = 'static'
    else if (matches(word, 'dynamic')) state = 'dynamic'
    else if (matches(word, 'vlan')) vlan = numberArgument(args, 'invalid vlan id\n', 0xffff)
    else if (matches(word, 'sticky')) sticky = true
    else if (/^(dst|nhid|port|vni|src_vni|via|router|use|extern_learn)$/.test(word)) {
      notYet('bridge fdb', word)
    } else {
      text = word === 'to' ? args.next() : word
    }
  }
  if (link === undefined || text === undefined) {
    throw new ToolExit(255, 'Device and address are required arguments.\n')
  }
  const mac: Mac | undefined = readMac(text)
  if (mac === undefined) throw new ToolExit(255, `Invalid mac address ${text}\n`)
  return plan({
    do: verb,
    netns: options.netns,
    link,
    mac,
    on,
    ...(vlan === undefined ? {} : { vlan }),
    ...(verb === 'fdb.del' ? {} : { state }),
    ...(sticky ? { sticky } : {}),
  })
}

function readFlush(args: Arguments, options: BridgeOptions): Request {
  let bridge: string | undefined
  while (args.left > 0) {
    const word = args.next()
    if (word !== 'dev') notYet('bridge fdb flush', word)
    bridge = args.next()
  }
  if (bridge === undefined) throw new ToolExit(255, 'Device is a required argument.\n')
  return plan({ do: 'fdb.flush', netns: options.netns, bridge })
}

function readShow(args: Arguments, options: BridgeOptions): Request {
  let dev: string | undefined
  let bridge: string | undefined
  while (args.left > 0) {
    const word = args.next()
    if (word === 'brport' || word === 'dev') dev = args.next()
    else if (word === 'br') bridge = args.next()
    else if (/^(vlan|state|dynamic)$/.test(word)) notYet('bridge fdb show', word)
    else dev = word
  }
  return {
    kind: 'show',
    netns: options.netns,
    show: (view) => show(view, dev, bridge),
  }
}

function show(view: View, dev: string | undefined, bridge: string | undefined): string {
  for (const name of [dev, bridge]) {
    if (name !== undefined && !view.netns.links.some((l) => l.name === name)) {
      throw new ToolExit(
        255,
        name === bridge
          ? `Cannot find bridge device "${name}"\n`
          : `Cannot find device "${name}"\n`,
      )
    }
  }
  const master = (e: FdbSnapshot) => {
    const link = view.netns.links.find((l) => l.name === e.link)
    return link?.bridge === undefined ? link?.master : link.name
  }
  return view.netns.fdb
    .filter((e) => dev === undefined || e.link === dev)
    .filter((e) => bridge === undefined || master(e) === bridge)
    .map((e) => printEntry(e, master(e), dev !== undefined))
    .join('')
}

/** print_fdb(). */
function printEntry(e: FdbSnapshot, master: string | undefined, withoutLink: boolean): string {
  const out = [formatMac(e.mac)]
  if (!withoutLink) out.push('dev', e.link)
  if (e.vlan !== undefined) out.push('vlan', String(e.vlan))
  out.push(e.on === 'self' ? 'self' : `master ${master ?? ''}`)
  out.push(e.state === 'dynamic' ? '' : e.state)
  return `${out.join(' ')}\n`
}
