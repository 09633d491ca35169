/**
 * Chains and rules as they stand, by iptables-save(8). Tables made with nft(8) in another family
 * than ip and ip6, or with expressions iptables does not know, are not seen.
 */
import { readFileSync } from 'node:fs'
import type { FilterChainSnapshot } from '../fabric/filter.ts'
import { parseIptablesSave } from '../fabric/parse-iptables-save.ts'
import { eachAttribute } from '../netlink/attribute.ts'
import { decodeText } from '../netlink/bytes.ts'
import { AF_NETLINK, closeFd, openSocket, receiveFrom, SOCK_RAW, sendTo } from '../sys/socket.ts'
import { runTool } from './netfilter.ts'

const NETLINK_NETFILTER = 12
/** NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE */
const GETTABLE = 0x0a01
/** NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN */
const GETCHAIN = 0x0a04
const NFTA_CHAIN_TABLE = 1
const NFTA_CHAIN_NAME = 3
/** NLM_F_REQUEST | NLM_F_DUMP */
const DUMP = 0x301
const HEADER = 16
/** sizeof(struct nfgenmsg) */
const FAMILY_HEADER = 4

/** The filters of the namespace this thread is in; nothing where nobody ever made a table. */
export function readFilters(): readonly FilterChainSnapshot[] {
  const found: FilterChainSnapshot[] = []
  for (const family of [4, 6] as const) {
    const tool = family === 4 ? 'iptables' : 'ip6tables'
    if (hasNftTables(family)) {
      const made = nftChains(family)
      found.push(...save(`${tool}-nft-save`, family).map((chain) => withMade(chain, made)))
    }
    if (hasLegacyTables(family)) found.push(...save(`${tool}-legacy-save`, family))
  }
  return found
}

function save(tool: string, family: 4 | 6): FilterChainSnapshot[] {
  const ran = runTool(tool, ['-c'])
  return ran.code === 0 ? parseIptablesSave(ran.stdout, family) : []
}

/** iptables-save prints built-in chains whether the kernel has them or not. */
function withMade(chain: FilterChainSnapshot, made: ReadonlySet<string>): FilterChainSnapshot {
  if (made.has(`${chain.table} ${chain.chain}`)) return chain
  const { rules, ...rest } = chain
  return { ...rest, unmade: true, rules }
}

/** Asking costs 20 us, running iptables-save 3 ms: most namespaces have no table. */
function hasNftTables(family: 4 | 6): boolean {
  // Without any the first message is the end of the dump, or an error: no nf_tables here.
  return dump(GETTABLE, family, () => 'stop') > 0
}

/** The chains there are, as `TABLE CHAIN`. Equivalent to: `nft list chains ip`. */
function nftChains(family: 4 | 6): ReadonlySet<string> {
  const found = new Set<string>()
  dump(GETCHAIN, family, (view, start, end) => {
    const words = new Map<number, string>()
    eachAttribute(view, start + FAMILY_HEADER, end, (id, from, to) => {
      if (id === NFTA_CHAIN_TABLE || id === NFTA_CHAIN_NAME)
        words.set(id, decodeText(view, from, to))
    })
    found.add(`${words.get(NFTA_CHAIN_TABLE)} ${words.get(NFTA_CHAIN_NAME)}`)
  })
  return found
}

/**
 * Asks nf_tables for a list; `take` gets each entry from its nfgenmsg on and may say that it has
 * seen enough.
 *
 * @returns how many entries it was given
 */
function dump(
  what: number,
  family: 4 | 6,
  take: (view: DataView, start: number, end: number) => 'stop' | undefined | void,
): number {
  const fd = openSocket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER)
  try {
    const request = new Uint8Array(HEADER + FAMILY_HEADER)
    const view = new DataView(request.buffer)
    view.setUint32(0, request.length, true)
    view.setUint16(4, what, true)
    view.setUint16(6, DUMP, true)
    request[HEADER] = family === 4 ? 2 : 10
    if (sendTo(fd, request) < 0) return 0
    return readDump(fd, take)
  } finally {
    closeFd(fd)
  }
}

function readDump(fd: number, take: Parameters<typeof dump>[2]): number {
  const answer = new Uint8Array(32_768)
  const view = new DataView(answer.buffer)
  let count = 0
  for (;;) {
    const length = receiveFrom(fd, answer) ?? 0
    if (length <= 0) return count
    for (let at = 0; at + HEADER <= length; ) {
      const size = view.getUint32(at, true)
      // The end of the dump, or an error.
      if (size < HEADER || view.getUint16(at + 4, true) < HEADER) return count
      count++
      if (take(view, at + HEADER, at + size) === 'stop') return count
      at += (size + 3) & ~3
    }
  }
}

function hasLegacyTables(family: 4 | 6): boolean {
  const name = family === 4 ? 'ip_tables_names' : 'ip6_tables_names'
  try {
    return readFileSync(`/proc/thread-self/net/${name}`, 'utf8').trim() !== ''
  } catch {
    // No such file: the kernel has no such door.
    return false
  }
}
