/** Tab at the prompt of a lab: commands, their first words, and what is there to be named. */
import type { Fabric } from '../fabric/fabric.ts'
import { MachineFabric } from '../shell/machine.ts'
import { COMMAND_NAMES } from '../shell/run.ts'

/** What a tool's next word may be. */
const NEXT: Readonly<Record<string, string>> = {
  ip: 'address link neighbour netns route rule',
  'ip address': 'add del flush show',
  'ip link': 'add delete set show',
  'ip neighbour': 'add del flush replace show',
  'ip netns': 'add delete exec list',
  'ip route': 'add del get replace show',
  'ip rule': 'add del show',
  bridge: 'fdb link vlan',
  'bridge fdb': 'add append del flush replace show',
  'bridge link': 'set show',
  'bridge vlan': 'add del show',
  brctl: 'addbr addif delbr delif hairpin setageing setfd show stp',
  tc: 'qdisc',
  'tc qdisc': 'add change del replace show',
  docker: 'exec inspect network ps rm run start stop version',
  'docker network': 'connect create disconnect inspect ls prune rm',
  vconfig: 'add rem set_flag',
  'docker container': 'exec inspect ls rm run start stop',
  nft: 'list',
  'nft list': 'ruleset',
  sysctl: '-w net.ipv4.ip_forward net.ipv6.conf.all.forwarding',
}

/** @returns the words that fit, and the part of the line they complete */
export async function completionsOf(
  fabric: Fabric,
  node: string,
  line: string,
): Promise<[string[], string]> {
  // Only the last command of a line matters, and behind `ip netns exec NAME` begins a new one.
  const tail = (line.split(/&&|\|\||[;|]/).at(-1) ?? '').trimStart()
  const inner = /^ip\s+netns\s+exec\s+(\S+)\s+(.*)$/s.exec(tail)
  const netns = inner?.[1] ?? ''
  const words = (inner?.[2] ?? tail).split(/\s+/)
  const word = words.at(-1) ?? ''
  const candidates = await wordsFor(fabric, node, netns, words.slice(0, -1))
  return [candidates.filter((c) => c.startsWith(word)).map((c) => `${c} `), word]
}

/** Tools that take the name of a machine. */
const TO_NODES =
  /^(?:arping|dig|explain|nc|nslookup|ping|ping6|traceroute)(?: |$)|^tcpdump .*\bhost$/
const TO_NETNS = /(?:^ip netns (?:exec|delete|del)|-n(?:etns)?|\bnetns)$/
const TO_CONTAINERS = /^docker (?:container )?(?:exec|inspect|rm|start|stop)\b/
const TO_LINKS = /(?:^| )(?:dev|-i|-I)$/

async function wordsFor(
  fabric: Fabric,
  node: string,
  netns: string,
  before: readonly string[],
): Promise<string[]> {
  if (before.length === 0) return [...COMMAND_NAMES, 'help', 'history', 'exit'].toSorted()
  const line = before.join(' ')
  // `ip -n NAME -br link`: what of it is no option.
  const bare = line.replaceAll(/ -n(?:etns)? \S+/g, '').replaceAll(/ -\S+/g, '')
  const next = NEXT[bare]?.split(' ')
  if (next !== undefined && !/-n(?:etns)?$/.test(line)) return next
  try {
    const all = await fabric.snapshot()
    const { netns: found } = await new MachineFabric(fabric, node).snapshot()
    const names = found.map((n) => n.name).filter((name) => name !== '')
    const inContainers = names.flatMap((name) => /^docker\/(.*)$/.exec(name)?.[1] ?? [])
    const byHand = names.filter((name) => !name.includes('/'))
    const links = found.find((n) => n.name === netns)?.links.map((l) => l.name) ?? []
    if (TO_LINKS.test(line)) return links
    if (TO_NETNS.test(line)) return byHand
    if (TO_CONTAINERS.test(line)) return inContainers
    if (!TO_NODES.test(line)) return line.startsWith('docker ') ? [] : links
    const nodes = all.netns.map((n) => n.name).filter((name) => /^[^/]+$/.test(name))
    return before[0] === 'explain' ? [...nodes, ...byHand, ...inContainers] : nodes
  } catch {
    return []
  }
}
