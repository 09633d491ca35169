/** `ip`, as iproute2 6.1 reads it. */
import { helpOf } from '../ip/help.ts'
import type { Plan } from '../../fabric/plan.ts'
import { Arguments, matches, notYet, ToolExit } from '../arguments.ts'
import { readAddressCommand } from '../ip/address.ts'
import { readLink } from '../ip/link.ts'
import { readNeighbour } from '../ip/neighbour.ts'
import { type IpOptions, readIpOptions } from '../ip/options.ts'
import { readRoute } from '../ip/route.ts'
import { readRule } from '../ip/rule.ts'
import { readMaddr, readNetns, readTuntap } from '../ip/small.ts'
import { guarded, type Manner, noSuchNetns, perform, type Request, snapshotOf } from '../request.ts'
import { type Command, done, failed, type Output, type Session } from '../session.ts'
import { splitWords } from '../words.ts'

const MANNER: Manner = {
  refused: 2,
  missing: 1,
  cannotFind: (name) => `Cannot find device "${name}"\n`,
}

/** Runs the words after `ip netns exec NAME`: the shell's own dispatcher, passed in. */
export type Exec = (session: Session, words: readonly string[], stdin: string) => Promise<Output>

/** The command; `exec` is what `ip netns exec` runs its words with. */
export function ipCommand(exec: Exec): Command {
  return (session, words, stdin) =>
    guarded(async () => {
      const args = new Arguments(words)
      const options = readIpOptions(args, session.netns)
      if (options.version) return done('ip utility, iproute2-6.1.0, libbpf 1.1.2\n')
      if (options.batch !== undefined) return runBatch(session, options, stdin, exec)
      const request = readObject(args, options, (netns, rest) =>
        execRequest(exec, netns, rest, stdin),
      )
      return perform(session, request, MANNER)
    })
}

/**
 * Reads one `ip` command line into the plan it asks for, without doing anything.
 *
 * @returns undefined when the line only shows something or runs another command
 * @throws ToolExit with what the tool itself would say of a wrong line
 * @example
 * ```ts
 * planOfIp(['link', 'set', 'eth0', 'up'], 'ns1') // [{ do: 'link.set', netns: 'ns1', name: 'eth0',
 * up: true }] ```
 */
export function planOfIp(words: readonly string[], netns: string): Plan | undefined {
  const args = new Arguments(words)
  const options = readIpOptions(args, netns)
  if (options.batch !== undefined || options.version) return undefined
  const nothing = (): Request => ({ kind: 'run', run: async () => done() })
  const request = readObject(args, options, nothing)
  return request.kind === 'plan' ? request.plan : undefined
}

function execRequest(exec: Exec, netns: string, words: readonly string[], stdin: string): Request {
  return {
    kind: 'run',
    run: async (session) => {
      const found = await snapshotOf(session, [netns])
      if (found?.netns.some((n) => n.name === netns) !== true) return noSuchNetns(netns)
      return exec({ ...session, netns }, words, stdin)
    },
  }
}

type Reader = (args: Arguments, options: IpOptions) => Request

/**
 * The table `cmds` of ip/ip.c, in its order; undefined = an object this shell does not have yet.
 */
const OBJECTS: readonly (readonly [string, Reader | undefined])[] = [
  ['address', readAddressCommand],
  ['addrlabel', undefined],
  ['maddress', readMaddr],
  ['route', readRoute],
  ['rule', readRule],
  ['neighbor', readNeighbour],
  ['neighbour', readNeighbour],
  ['ntable', undefined],
  ['ntbl', undefined],
  ['link', readLink],
  ['l2tp', undefined],
  ['fou', undefined],
  ['ila', undefined],
  ['macsec', undefined],
  ['tunnel', undefined],
  ['tunl', undefined],
  ['tuntap', readTuntap],
  ['tap', readTuntap],
  ['token', undefined],
  ['tcpmetrics', undefined],
  ['tcp_metrics', undefined],
  ['monitor', undefined],
  ['xfrm', undefined],
  ['mroute', undefined],
  ['mrule', undefined],
  ['netns', undefined],
  ['netconf', undefined],
  ['vrf', undefined],
  ['sr', undefined],
  ['nexthop', undefined],
  ['mptcp', undefined],
  ['ioam', undefined],
  ['help', undefined],
  ['stats', undefined],
]

function readObject(
  args: Arguments,
  options: IpOptions,
  exec: (netns: string, words: readonly string[]) => Request,
): Request {
  const word = args.peek()
  if (word === undefined) return helpOf('ip')
  args.next()
  const found = OBJECTS.find(([name]) => matches(word, name))
  if (found === undefined) {
    throw new ToolExit(1, `Object "${word}" is unknown, try "ip help".\n`)
  }
  if (found[0] === 'help') return helpOf('ip')
  if (found[0] === 'netns') return readNetns(args, options, exec)
  return found[1] === undefined ? notYet('ip', word) : found[1](args, options)
}

/** do_batch(): a line a command; the first that fails ends it unless -force. */
async function runBatch(
  session: Session,
  options: IpOptions,
  stdin: string,
  exec: Exec,
): Promise<Output> {
  if (options.batch !== '-')
    return failed(1, `Cannot open file "${options.batch}" for reading: No such file or directory\n`)
  const command = ipCommand(exec)
  const inner = { ...session, netns: options.netns }
  let stdout = ''
  let stderr = ''
  let code = 0
  const lines = stdin.split('\n')
  for (const [n, line] of lines.entries()) {
    const words = splitWords(line)
    if (words.length === 0) continue
    const out = await command(inner, words, '')
    stdout += out.stdout
    stderr += out.stderr
    if (out.code === 0) continue
    stderr += `Command failed -:${n + 1}\n`
    code = 1
    if (!options.force) break
  }
  return { code, stdout, stderr }
}
