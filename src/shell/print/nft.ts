/** `nft list ruleset` of tables iptables made, as nftables 1.0.6 prints them. */
import type {
  FilterChainSnapshot,
  FilterMatch,
  FilterRule,
  FilterTable,
  FilterVerdict,
  PortRange,
  RejectWith,
} from '../../fabric/filter.ts'
import { formatPrefix } from '../../addr/prefix.ts'
import type { Prefix } from '../../addr/ip.ts'
import { icmpTypeName, protocolName } from '../../fabric/iptables-words.ts'
import { printPorts, printTarget } from '../../fabric/print-iptables.ts'

/** Type, hook and the name of its priority, of every chain a packet comes by. */
const HOOKS: Readonly<Record<FilterTable, Readonly<Record<string, string>>>> = {
  filter: {
    INPUT: 'type filter hook input priority filter',
    FORWARD: 'type filter hook forward priority filter',
    OUTPUT: 'type filter hook output priority filter',
  },
  nat: {
    PREROUTING: 'type nat hook prerouting priority dstnat',
    INPUT: 'type nat hook input priority srcnat',
    OUTPUT: 'type nat hook output priority dstnat',
    POSTROUTING: 'type nat hook postrouting priority srcnat',
  },
}

export function printNft(chains: readonly FilterChainSnapshot[]): {
  readonly stdout: string
  readonly stderr: string
} {
  const tables = new Map<string, FilterChainSnapshot[]>()
  for (const chain of chains) {
    const name = `${chain.family === 4 ? 'ip' : 'ip6'} ${chain.table}`
    tables.set(name, [...(tables.get(name) ?? []), chain])
  }
  const names = [...tables.keys()]
  const warning = (name: string): string =>
    `# Warning: table ${name} is managed by iptables-nft, do not touch!\n`
  return {
    stdout: names.map((name) => `table ${name} {\n${body(tables.get(name) ?? [])}}\n`).join(''),
    stderr: names.map(warning).join(''),
  }
}

function body(chains: readonly FilterChainSnapshot[]): string {
  return chains
    .map((chain) => {
      const hook = HOOKS[chain.table][chain.chain]
      const head = chain.policy && hook ? `\t\t${hook}; policy ${chain.policy};\n` : ''
      const rules = chain.rules.map((rule) => `\t\t${nftRule(rule, rule, chain.family)}\n`)
      return `\tchain ${chain.chain} {\n${head}${rules.join('')}\t}\n`
    })
    .join('\n')
}

function nftRule(
  rule: FilterRule,
  { packets, bytes }: { readonly packets: number; readonly bytes: number },
  family: 4 | 6,
): string {
  const { match, comment } = rule
  return [
    ...matchWords(match, family),
    `counter packets ${packets} bytes ${bytes}`,
    ...verdictWords(rule.verdict),
    ...(comment === undefined ? [] : [`comment "${comment}"`]),
  ].join(' ')
}

function matchWords(match: FilterMatch, family: 4 | 6): string[] {
  const { iif, oif, from, to, protocol, sourcePorts, destinationPorts, icmpType, states } = match
  const words: string[] = []
  const not = (aspect: NonNullable<FilterMatch['not']>[number]): string =>
    match.not?.includes(aspect) === true ? '!= ' : ''
  const ip = family === 4 ? 'ip' : 'ip6'
  if (iif !== undefined) words.push(`iifname ${not('iif')}"${iif.replace(/\+$/, '*')}"`)
  if (oif !== undefined) words.push(`oifname ${not('oif')}"${oif.replace(/\+$/, '*')}"`)
  const said = sourcePorts !== undefined || destinationPorts !== undefined
  if (protocol !== undefined && !said)
    words.push(`meta l4proto ${not('protocol')}${protocolName(protocol)}`)
  if (from !== undefined) words.push(`${ip} saddr ${not('from')}${short(from)}`)
  if (to !== undefined) words.push(`${ip} daddr ${not('to')}${short(to)}`)
  const layer = protocolName(protocol ?? 6)
  if (sourcePorts !== undefined)
    words.push(`${layer} sport ${not('sourcePorts')}${ports(sourcePorts)}`)
  if (destinationPorts !== undefined)
    words.push(`${layer} dport ${not('destinationPorts')}${ports(destinationPorts)}`)
  if (icmpType !== undefined) {
    const name = icmpTypeName({ type: icmpType, code: undefined }, family) ?? `${icmpType}`
    const code = match.icmpCode === undefined ? '' : ` code ${match.icmpCode}`
    words.push(`${family === 4 ? 'icmp' : 'icmpv6'} type ${not('icmpType')}${name}${code}`)
  }
  if (states !== undefined)
    words.push(
      `ct state ${match.not?.includes('states') === true ? '! ' : ''}${printOrder(states)}`,
    )
  return words
}

/** In nft's order. */
function printOrder(states: NonNullable<FilterMatch['states']>): string {
  const order = ['invalid', 'new', 'related', 'established', 'untracked'] as const
  return order.filter((state) => states.includes(state)).join(',')
}

function short(prefix: Prefix): string {
  const text = formatPrefix(prefix)
  const whole = typeof prefix.address === 'number' ? '/32' : '/128'
  return text.endsWith(whole) ? text.slice(0, -whole.length) : text
}

const ports = (range: PortRange): string => printPorts(range, '-')

function verdictWords(verdict: FilterVerdict): string[] {
  switch (verdict.do) {
    case 'continue':
      return []
    case 'accept':
    case 'drop':
    case 'return':
      return [verdict.do]
    case 'jump':
      return [`jump ${verdict.chain}`]
    case 'reject':
      return [rejectWords(verdict.with)]
    case 'masquerade':
    case 'redirect':
      return [verdict.do, ...(verdict.ports === undefined ? [] : [`to :${ports(verdict.ports)}`])]
    case 'snat':
    case 'dnat':
      return [`${verdict.do} to ${printTarget(verdict.to, verdict.ports)}`]
  }
}

function rejectWords(answer: RejectWith): string {
  if (answer === 'icmp-port-unreachable' || answer === 'icmp6-port-unreachable') return 'reject'
  if (answer === 'tcp-reset') return 'reject with tcp reset'
  const [kind = '', ...rest] = answer.split('-')
  const name = rest.join('-').replace('adm-prohibited', 'admin-prohibited')
  const four = name.replace('proto-', 'prot-')
  return kind === 'icmp' ? `reject with icmp type ${four}` : `reject with icmpv6 type ${name}`
}
