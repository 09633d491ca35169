/**
 * Command lines to the plan they ask for, as a pure function: what a guide shows as `ip` lines can
 * be read into ops without a fabric, and a dry run can be checked against the commands it prints.
 */
import type { Op, Plan } from '../fabric/plan.ts'
import { planOfBridge } from './commands/bridge.ts'
import { planOfIptables } from './commands/iptables.ts'
import { planOfIp } from './commands/ip.ts'
import { planOfTc } from './commands/tc.ts'
import { sysctlKey } from './commands/sysctl.ts'
import { ToolExit } from './arguments.ts'
import { type List, parseLine, type Word } from './words.ts'

/**
 * The ops a line asks for, in order; lines that only show something ask for none.
 *
 * @throws ToolExit with what the tool would print for a line it does not accept
 * @example
 * ```ts
 * planOfLine('ip netns add ns1 && ip -n ns1 link set lo up')
 * // [{ do: 'netns.add', netns: 'ns1' }, { do: 'link.set', netns: 'ns1', name: 'lo', up: true }]
 * ```
 */
export function planOfLine(line: string, netns = ''): Plan {
  const tree = parseLine(line)
  if ('kind' in tree) throw new ToolExit(2, `sh: 1: Syntax error: "${tree.near}" unexpected\n`)
  return planOfList(tree, netns)
}

function planOfList(list: List, netns: string): Op[] {
  return list.flatMap(({ pipeline }) =>
    pipeline.flatMap((node) => {
      if (node.kind === 'simple') return planOfWords(node.words.map(plainWord), netns)
      return planOfList(node.body, netns)
    }),
  )
}

/** Substitutions need a running shell: here they stay as their source. */
function plainWord(word: Word): string {
  return word
    .map((p) =>
      p.kind === 'text' ? p.text : p.kind === 'variable' ? `$${p.name}` : `$(${p.source})`,
    )
    .join('')
}

function planOfWords(words: readonly string[], netns: string): readonly Op[] {
  const [name, ...rest] = words
  if (name === 'sh' && rest[0] === '-c') return planOfLine(rest[1] ?? '', netns)
  if (name === 'ip') {
    if (rest[0] === 'netns' && rest[1] === 'exec') return planOfWords(rest.slice(3), rest[2] ?? '')
    return planOfIp(rest, netns) ?? []
  }
  if (name === 'bridge') return planOfBridge(rest, netns) ?? []
  if (name === 'tc') return planOfTc(rest, netns) ?? []
  if (name === 'iptables') return planOfIptables(rest, 4, netns)
  if (name === 'ip6tables') return planOfIptables(rest, 6, netns)
  if (name === 'sysctl') return planOfSysctl(rest, netns)
  return []
}

function planOfSysctl(words: readonly string[], netns: string): Op[] {
  return words
    .filter((w) => !w.startsWith('-') && w.includes('='))
    .map((w) => {
      const equals = w.indexOf('=')
      const key = sysctlKey(w.slice(0, equals).trim())
      return { do: 'sysctl.set', netns, key, value: w.slice(equals + 1).trim() }
    })
}
