/**
 * Packet filter rules on the real kernel, through iptables(8): only rules it made itself does it
 * list again, and it has both of the kernel's doors, nf_tables and the old one, which kernels
 * without nf_tables' NAT chains still need. One child an op, 3 ms.
 */
import { spawnSync } from 'node:child_process'
import type { FilterOp } from '../fabric/filter.ts'
import { filterWords } from '../fabric/print-iptables.ts'
import type { Refusal } from '../netlink/message.ts'
import { refusal } from './connections.ts'
import { inNetns } from './netns.ts'

/** Where administrators' programs are, whatever the caller's PATH says. */
const PATH = `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin:/sbin`
const TIMEOUT_MS = 10_000

/** What the machine is told first: the one its own `iptables` is, then each door by name. */
const VARIANTS = ['', '-nft', '-legacy'] as const
type Variant = (typeof VARIANTS)[number]

/** A program that ran. */
export interface Ran {
  /** Undefined when there is no such program. */
  readonly code: number | undefined
  readonly stdout: string
  readonly stderr: string
}

/**
 * Runs a program to its end in the namespace this thread is in; its words come in English.
 */
export function runTool(name: string, args: readonly string[]): Ran {
  const { status, stdout, stderr, error } = spawnSync(name, args, {
    encoding: 'utf8',
    env: { PATH, LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TIMEOUT_MS,
    maxBuffer: 64 << 20,
  })
  if (error !== undefined && status === null) return { code: undefined, stdout: '', stderr: '' }
  return { code: status ?? 1, stdout, stderr }
}

let chosen: Variant | undefined

/**
 * The variant of iptables this kernel can do NAT with, found by trying in a namespace that is gone
 * at once; undefined when there is none.
 */
function variant(): Variant | undefined {
  chosen ??= VARIANTS.find((name) => {
    const rule = ['-t', 'nat', '-A', 'POSTROUTING', '-j', 'MASQUERADE']
    return runTool('unshare', ['--net', `iptables${name}`, ...rule]).code === 0
  })
  return chosen
}

/**
 * Does one op.
 *
 * A crash leaves the rules made so far; they are the namespace's and go with it.
 *
 * @returns what refused it: ENOENT (no such chain, rule or target), EEXIST, E2BIG (a position that
 * is not there), EBUSY (a chain still used), EINVAL
 * @throws LanyardError `netns-missing`; SysError
 */
export function changeFilter(op: FilterOp): Refusal | undefined {
  const suffix = variant()
  if (suffix === undefined) {
    return { ...refusal('EOPNOTSUPP'), extack: 'no iptables here that this kernel works with' }
  }
  const [tool = '', ...words] = filterWords(op)
  const ran = inNetns(op.netns, () => runTool(`${tool}${suffix}`, ['-w', ...words]))
  if (ran.code === 0) return undefined
  return refusal(errnoOf(ran.stderr))
}

/** What iptables says, in both variants, by errno. */
const SAYINGS: readonly (readonly [RegExp, string])[] = [
  [/No chain\/target\/match by that name|does not exist|Couldn't load target/, 'ENOENT'],
  [/Bad rule \(does a matching rule exist/, 'ENOENT'],
  [/Chain already exists/, 'EEXIST'],
  [/(deletion|insertion|replacement) too big/, 'E2BIG'],
  [/RULE_\w+ failed \(Too many links\)/, 'EMLINK'],
  [/Device or resource busy|Too many links|Directory not empty/, 'EBUSY'],
  [/No such file or directory/, 'ENOENT'],
  [/Operation not supported/, 'EOPNOTSUPP'],
  [/Permission denied|Operation not permitted/, 'EPERM'],
]

function errnoOf(stderr: string): string {
  return SAYINGS.find(([said]) => said.test(stderr))?.[1] ?? 'EINVAL'
}
