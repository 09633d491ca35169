/** `bridge`, as iproute2 6.1 reads it (bridge/bridge.c, link.c, fdb.c, vlan.c). */
import type { Plan } from '../../fabric/plan.ts'
import { readFdb } from '../bridge/fdb.ts'
import { readBridgeLink } from '../bridge/link.ts'
import type { BridgeOptions } from '../bridge/options.ts'
import { readBridgeVlan } from '../bridge/vlan.ts'
import { Arguments, matches, notYet, ToolExit } from '../arguments.ts'
import { guarded, type Manner, perform, type Request } from '../request.ts'
import { type Command, done } from '../session.ts'

/** Of what is here. */
const USAGE = `Usage: bridge [ OPTIONS ] OBJECT { COMMAND | help }
where  OBJECT := { link | fdb | vlan }
       OPTIONS := { -V[ersion] | -s[tatistics] | -d[etails] | -o[neline] | -n[etns] name }
`

const MANNER: Manner = {
  refused: 255,
  missing: 255,
  cannotFind: (name, op) =>
    op.do === 'link.set' || op.do === 'bridge-vlan.add' || op.do === 'bridge-vlan.del'
      ? `Cannot find bridge device "${name}"\n`
      : `Cannot find device "${name}"\n`,
}

export const bridgeCommand: Command = (session, words) =>
  guarded(() => {
    const args = new Arguments(words)
    const options = readOptions(args, session.netns)
    if (options === 'version') return done('bridge utility, iproute2-6.1.0\n')
    return perform(session, readObject(args, options), MANNER)
  })

/**
 * Reads one `bridge` command line into the plan it asks for, without doing anything.
 *
 * @returns undefined when the line only shows something
 * @throws ToolExit with what the tool itself would say of a wrong line
 */
export function planOfBridge(words: readonly string[], netns: string): Plan | undefined {
  const args = new Arguments(words)
  const options = readOptions(args, netns)
  if (options === 'version') return undefined
  const request = readObject(args, options)
  return request.kind === 'plan' ? request.plan : undefined
}

/** main() of bridge.c. */
function readOptions(args: Arguments, netns: string): BridgeOptions | 'version' {
  const options: BridgeOptions = { netns, details: false }
  for (let word = args.peek(); word?.startsWith('-'); word = args.peek()) {
    args.next()
    if (word === '--') break
    const opt = word.startsWith('--') ? word.slice(1) : word
    const is = (...keywords: string[]) => keywords.some((k) => matches(opt, k))
    if (is('-help')) throw new ToolExit(255, USAGE)
    else if (opt === '-V' || is('-Version')) return 'version'
    else if (is('-stats', '-statistics')) continue
    else if (is('-details')) options.details = true
    else if (is('-oneline', '-timestamp')) continue
    else if (is('-family')) args.next()
    else if (opt === '-4' || opt === '-6') continue
    else if (is('-netns')) options.netns = args.next()
    else if (is('-color')) continue
    else if (is('-compressvlans', '-force', '-json', '-pretty', '-batch')) notYet('bridge', opt)
    else throw new ToolExit(255, `Option "${opt}" is unknown, try "bridge help".\n`)
  }
  return options
}

function readObject(args: Arguments, options: BridgeOptions): Request {
  const word = args.peek()
  if (word === undefined) throw new ToolExit(255, USAGE)
  args.next()
  if (matches(word, 'link')) return readBridgeLink(args, options)
  if (matches(word, 'fdb')) return readFdb(args, options)
  if (matches(word, 'mdb') || matches(word, 'mst')) return notYet('bridge', word)
  if (matches(word, 'vlan')) return readBridgeVlan(args, options)
  if (matches(word, 'help')) throw new ToolExit(255, USAGE)
  if (matches(word, 'monitor')) return notYet('bridge', word)
  throw new ToolExit(255, `Object "${word}" is unknown, try "bridge help".\n`)
}
