/** Topologies the loose lists were measured in: their build lists stand in two probe files. */
import { said } from './compare.ts'
import { type ProbeFile, readTruth } from './rows.ts'
import type { Place } from './world.ts'

/** `router`: krnh1 - krnr - krnh2; `lan`: two bridge children, their host, a gateway on a switch. */
export type TopologyName = 'router' | 'lan' | 'duplicate' | 'seed' | 'pair' | 'none'

const FILES: Readonly<Partial<Record<TopologyName, string>>> = {
  router: 'p-router',
  lan: 'a-bridge-plain',
  duplicate: 'k-dupip',
}

/** Seed 001: a switch, a gateway that answers with ttl 128, a neighbour and the host enp0s5. */
const SEED: readonly string[] = [
  'ip netns add krnsw',
  'ip netns add krngw',
  'ip netns add krnother',
  'ip netns add krnhost',
  'ip -n krnsw link add krnbr type bridge',
  'ip -n krnsw link set krnbr up',
  'ip -n krnsw link add krnp1 type veth peer name enp0s5 netns krnhost',
  'ip -n krnsw link add krnp2 type veth peer name eth0 netns krngw',
  'ip -n krnsw link add krnp3 type veth peer name eth0 netns krnother',
  ...['krnp1', 'krnp2', 'krnp3'].flatMap((p) => [
    `ip -n krnsw link set ${p} master krnbr`,
    `ip -n krnsw link set ${p} up`,
  ]),
  'ip -n krnhost link set lo up',
  'ip -n krngw link set lo up',
  'ip -n krnother link set lo up',
  'ip netns exec krnhost sysctl -qw net.ipv6.conf.enp0s5.disable_ipv6=1',
  'ip netns exec krngw sysctl -qw net.ipv4.ip_default_ttl=128',
  'ip -n krnhost addr add 10.211.55.18/24 dev enp0s5',
  'ip -n krnhost link set enp0s5 up',
  'ip -n krngw addr add 10.211.55.1/24 dev eth0',
  'ip -n krngw link set eth0 up',
  'ip -n krnother addr add 10.211.55.10/24 dev eth0',
  'ip -n krnother link set eth0 up',
]

/** Two hosts on one cable, without IPv6. */
const PAIR: readonly string[] = [
  'ip netns add krna',
  'ip netns add krnb',
  'ip -n krna link add krne0 address 02:00:00:00:00:0a type veth peer name krne0 netns krnb',
  'ip -n krnb link set krne0 address 02:00:00:00:00:0b',
  'ip netns exec krna sysctl -qw net.ipv6.conf.krne0.disable_ipv6=1',
  'ip netns exec krnb sysctl -qw net.ipv6.conf.krne0.disable_ipv6=1',
  'ip -n krnb addr add 10.9.0.2/24 dev krne0',
  'ip -n krnb link set krne0 up',
  'ip -n krna link set krne0 up',
]

export async function buildTopology(place: Place, name: TopologyName): Promise<void> {
  if (name === 'none') return
  for (const line of linesOf(name)) {
    const out = await place.run(line)
    if (out.code !== 0) throw new Error(`${line}: ${said(out)}`)
  }
  await place.settle(3000)
}

function linesOf(name: TopologyName): readonly string[] {
  if (name === 'seed') return SEED
  if (name === 'pair') return PAIR
  const file = readTruth([FILES[name] ?? '']).find((f) => f.name === FILES[name])
  return file === undefined ? [] : (file.data as ProbeFile).build
}
