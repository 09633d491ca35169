/**
 * Chains and rules as they stand, by iptables-save(8). Tables made with nft(8) in another family
 * than ip and ip6, or with expressions iptables does not know, are not seen.
 */
import { readFileSync } from 'node:fs'
import type { FilterChainSnapshot } from '../fabric/filter.ts'
import { parseIptablesSave } from '../fabric/parse-iptables-save.ts'
import { AF_NETLINK, closeFd, openSocket, receiveFrom, SOCK_RAW, sendTo } from '../sys/socket.ts'
import { runTool } from './netfilter.ts'

const NETLINK_NETFILTER = 12
/** NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE */
const GETTABLE = 0x0a01
/** NLM_F_REQUEST | NLM_F_DUMP */
const DUMP = 0x301
const HEADER = 16

/** The filters of the namespace this thread is in; nothing where nobody ever made a table. */
export function readFilters(): readonly FilterChainSnapshot[] {
  const found: FilterChainSnapshot[] = []
  for (const family of [4, 6] as const) {
    const tool = family === 4 ? 'iptables' : 'ip6tables'
    if (hasNftTables(family)) found.push(...save(`${tool}-nft-save`, family))
    if (hasLegacyTables(family)) found.push(...save(`${tool}-legacy-save`, family))
  }
  return found
}

function save(tool: string, family: 4 | 6): FilterChainSnapshot[] {
  const ran = runTool(tool, ['-c'])
  return ran.code === 0 ? parseIptablesSave(ran.stdout, family) : []
}

/** Asking costs 20 us, running iptables-save 3 ms: most namespaces have no table. */
function hasNftTables(family: 4 | 6): boolean {
  const fd = openSocket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER)
  try {
    const request = new Uint8Array(HEADER + 4)
    const view = new DataView(request.buffer)
    view.setUint32(0, request.length, true)
    view.setUint16(4, GETTABLE, true)
    view.setUint16(6, DUMP, true)
    request[HEADER] = family === 4 ? 2 : 10
    if (sendTo(fd, request) < 0) return false
    const answer = new Uint8Array(8192)
    const length = receiveFrom(fd, answer)
    // Without any the first message is the end of the dump, or an error: no nf_tables here.
    return length !== undefined && new DataView(answer.buffer).getUint16(4, true) >= HEADER
  } finally {
    closeFd(fd)
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
