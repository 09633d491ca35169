/** `iptables` and `ip6tables` 1.8.9 (nf_tables). */
import type { OpOutcome } from '../../fabric/fabric.ts'
import {
  FILTER_CHAINS,
  type FilterChainSnapshot,
  type FilterOp,
  type FilterTable,
} from '../../fabric/filter.ts'
import { sameRule } from '../../fabric/filter-rule.ts'
import { type IptablesCommand, opsOf, parseIptables } from '../../fabric/parse-iptables.ts'
import { IptablesProblem } from '../../fabric/parse-iptables-rule.ts'
import type { Plan } from '../../fabric/plan.ts'
import { ToolExit } from '../arguments.ts'
import { printList, printRow, printRule, printRules } from '../print/iptables.ts'
import { applyOne } from '../request.ts'
import { type Command, done, failed, type Output, type Session } from '../session.ts'
import { strerror } from '../../errno.ts'

const toolOf = (family: 4 | 6): string => (family === 4 ? 'iptables' : 'ip6tables')

/** @param family 4 for `iptables`, 6 for `ip6tables` */
export function iptablesCommand(family: 4 | 6): Command {
  return async (session, words) => {
    try {
      return await run(session, parseIptables(words, family))
    } catch (error) {
      if (!(error instanceof IptablesProblem)) throw error
      return problem(error, family)
    }
  }
}

/** The plan a line asks for; lines that only show something ask for none. */
export function planOfIptables(words: readonly string[], family: 4 | 6, netns: string): Plan {
  try {
    return opsOf(netns, parseIptables(words, family)) ?? []
  } catch (error) {
    if (!(error instanceof IptablesProblem)) throw error
    const { code, stderr } = problem(error, family)
    throw new ToolExit(code, stderr)
  }
}

function problem({ message, bare }: IptablesProblem, family: 4 | 6): Output {
  const tool = toolOf(family)
  const says = bare ? message : `${tool} v1.8.9 (nf_tables): ${message}`
  if (message.startsWith('table ')) return failed(3, `${says}\n`)
  return failed(2, `${says}\nTry \`${tool} -h' or '${tool} --help' for more information.\n`)
}

async function run(session: Session, command: IptablesCommand): Promise<Output> {
  const tool = toolOf(command.family)
  switch (command.do) {
    case 'version':
      return done(`${tool} v1.8.9 (nf_tables)\n`)
    case 'zero':
      return failed(127, `lanyard: "-Z" of ${tool} is not part of this shell yet\n`)
    case 'list':
    case 'show':
      return show(command, await chainsOf(session, command))
    case 'check': {
      const chains = await chainsOf(session, command)
      const rules = chains.find(({ chain }) => chain === command.chain)?.rules ?? []
      const found = command.rules.every((wanted) =>
        rules.some(({ packets: _p, bytes: _b, ...rule }) => sameRule(rule, wanted)),
      )
      return found ? done() : failed(1, `${tool}: ${NO_RULE}\n`)
    }
    case 'append':
    case 'insert':
    case 'replace':
    case 'delete':
    case 'flush':
    case 'create':
    case 'remove':
    case 'policy':
      return change(session, command)
  }
}

async function change(session: Session, command: IptablesCommand): Promise<Output> {
  const ops = opsOf(session.netns, command) ?? (await otherOps(session, command))
  if (ops === undefined) {
    const text = "Bad policy name. Run `dmesg' for more information."
    return failed(1, `${toolOf(command.family)}: ${text}\n`)
  }
  for (const op of ops) {
    const outcome = await applyOne(session, op)
    if (!outcome.ok) return refusal(session, command, op, outcome)
  }
  return done()
}

/** `-X` alone removes every chain made by hand, and those built-in ones that say nothing. */
async function otherOps(
  session: Session,
  command: IptablesCommand,
): Promise<FilterOp[] | undefined> {
  if (command.do !== 'remove') return undefined
  const { family, table } = command
  return (await chainsOf(session, command))
    .filter(
      ({ policy, unmade, rules }) =>
        policy === undefined || (policy === 'accept' && unmade !== true && rules.length === 0),
    )
    .map(({ chain }) => ({ do: 'filter.chain-del', netns: session.netns, family, table, chain }))
}

const NO_CHAIN = 'No chain/target/match by that name.'
const NO_RULE = 'Bad rule (does a matching rule exist in that chain?).'

/** Texts of nft_strerror() in iptables/nft.c, or what the kernel refused in nft_action(). */
async function refusal(
  session: Session,
  command: IptablesCommand,
  op: FilterOp,
  { errno, extack }: Extract<OpOutcome, { ok: false }>,
): Promise<Output> {
  const tool = toolOf(op.family)
  if (extack !== undefined) return failed(1, `${tool}: ${extack}\n`)
  const simple = (text: string): Output => failed(1, `${tool}: ${text}\n`)
  switch (`${op.do} ${errno}`) {
    case 'filter.add ENOENT': {
      const target = op.do === 'filter.add' && op.rule.verdict
      if (target === false || target.do !== 'jump') return simple(NO_CHAIN)
      const chains = await chainsOf(session, command)
      if (chains.some(({ chain }) => chain === target.chain)) return simple(NO_CHAIN)
      return problem(new IptablesProblem(`Chain '${target.chain}' does not exist`), op.family)
    }
    case 'filter.add E2BIG':
      return simple('Index of insertion too big.')
    case 'filter.del E2BIG':
      return simple(`Index of ${command.do === 'replace' ? 'replacement' : 'deletion'} too big.`)
    case 'filter.del ENOENT':
      return simple(op.do === 'filter.del' && typeof op.rule === 'number' ? NO_CHAIN : NO_RULE)
    case 'filter.flush ENOENT':
    case 'filter.chain-del ENOENT':
      return simple(NO_CHAIN)
    case 'filter.chain-del EBUSY': {
      const chains = await chainsOf(session, command)
      const chain = chains.find((c) => 'chain' in op && c.chain === op.chain)
      if (chain?.policy !== 'drop' || chain.rules.length > 0) return failure(op, errno)
      return simple('Directory not empty.')
    }
    case 'filter.chain-add EEXIST':
      return simple('Chain already exists.')
    case 'filter.policy ENOENT':
    case 'filter.policy EINVAL':
      return simple('Bad built-in chain name.')
    default:
      return failure(op, errno)
  }
}

/** What the kernel refused when everything was sent. */
function failure(op: FilterOp, errno: string): Output {
  const what = `${actionOf(op)} failed (${strerror(errno)}): ${placeOf(op)}`
  return failed(4, `${toolOf(op.family)} v1.8.9 (nf_tables):  ${what}\n`)
}

function actionOf(op: FilterOp): string {
  if (op.do === 'filter.chain-del') return 'CHAIN_DEL'
  if (op.do === 'filter.chain-add') return 'CHAIN_USER_ADD'
  if (op.do === 'filter.del') return 'RULE_DELETE'
  return op.do === 'filter.add' && op.at !== undefined ? 'RULE_INSERT' : 'RULE_APPEND'
}

function placeOf(op: FilterOp): string {
  const chain = 'chain' in op ? op.chain : ''
  return op.do.startsWith('filter.chain-') ? `chain ${chain}` : `rule in chain ${chain}`
}

function show(
  command: Extract<IptablesCommand, { do: 'list' | 'show' }>,
  all: readonly FilterChainSnapshot[],
): Output {
  const { chain: name, at, options, family, table } = command
  const chains = name === undefined ? all : all.filter(({ chain }) => chain === name)
  const [chain] = chains
  if (chain === undefined) {
    const text = `chain \`${name}' in table \`${table}' is incompatible, use 'nft' tool.`
    return failed(1, `${toolOf(family)} v1.8.9 (nf_tables): ${text}\n`)
  }
  if (at !== undefined) {
    const rule = chain.rules[at - 1]
    if (rule === undefined) return done()
    return done(
      command.do === 'list'
        ? printRow(rule, at, family, options)
        : `${printRule(chain, rule, options.verbose)}\n`,
    )
  }
  return done(
    command.do === 'list' ? printList(chains, all, options) : printRules(chains, options.verbose),
  )
}

/** The chains of a table; where nobody made any yet, those it is born with. */
export async function chainsOf(
  session: Session,
  { family, table }: { readonly family: 4 | 6; readonly table: FilterTable },
): Promise<readonly FilterChainSnapshot[]> {
  const { netns } = await session.fabric.snapshot({ netns: [session.netns] })
  const found = (netns[0]?.filters ?? []).filter((c) => c.family === family && c.table === table)
  if (found.length > 0) return found
  return FILTER_CHAINS[table].map((chain) => ({
    family,
    table,
    chain,
    policy: 'accept',
    unmade: true,
    rules: [],
  }))
}
