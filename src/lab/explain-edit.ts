/** What to write in a lab file to do the same as a remedy, where a line or two does it. */
import { formatIp } from '../addr/ip.ts'
import type { Op, Plan } from '../fabric/plan.ts'
import type { Topology } from './topology.ts'

/** `switches.sw.ports.p0.hairpin: true`; undefined where the file has no simple words for it. */
export function fileEdit(topology: Topology, plan: Plan): string | undefined {
  const lines = plan.map((op) => lineFor(topology, op))
  if (lines.some((line) => line === undefined)) return undefined
  return [...new Set(lines)].join('; ')
}

function lineFor(topology: Topology, op: Op): string | undefined {
  if (op.do === 'link.set') {
    const { netns, name, port, macvlan } = op
    const keys = Object.keys(op).filter((key) => !['do', 'netns', 'name'].includes(key))
    if (keys.length !== 1) return undefined
    const sw = topology.switches.find((s) => s.name === netns)
    if (sw !== undefined) return portLine(op, netns, name)
    const host = topology.hosts.find((h) => h.name === netns)
    if (host?.nics.some((n) => n.name === name) === true && port === undefined) {
      const value = op.up ?? op.promisc ?? op.mtu
      return value === undefined ? undefined : `hosts.${netns}.nics.${name}.${keys[0]}: ${value}`
    }
    return macvlan?.mode === undefined ? undefined : modeLine(topology, netns, name, macvlan.mode)
  }
  if (op.do === 'qdisc.del') return impairLine(topology, op.netns, op.link)
  if (op.do === 'sysctl.set') return sysctlLine(topology, op.netns, op.key, op.value)
  if (op.do === 'route.add' && op.via !== undefined) {
    const kind = kindOf(topology, op.netns)
    const to = op.to.length === 0 ? 'default' : `${formatIp(op.to.address)}/${op.to.length}`
    return kind && `${kind}.${op.netns}.routes: [${to} via ${formatIp(op.via)}]`
  }
  return undefined
}

function impairLine(topology: Topology, netns: string, link: string): string | undefined {
  const sw = topology.switches.find((s) => s.name === netns)
  const host = topology.hosts.find((h) => h.name === netns)
  if (sw?.ports.some((p) => p.name === link) === true)
    return `switches.${netns}.ports.${link}.impair: none`
  const nic = host?.nics.some((n) => n.name === link) === true
  return nic ? `hosts.${netns}.nics.${link}.impair: none` : undefined
}

const PORT_KEYS = ['hairpin', 'isolated', 'learning', 'flood'] as const

function portLine(op: Extract<Op, { do: 'link.set' }>, sw: string, name: string) {
  const path = `switches.${sw}.ports.${name}`
  if (op.up !== undefined) return `${path}.up: ${op.up}`
  const key = PORT_KEYS.find((k) => op.port?.[k] !== undefined)
  const only = Object.keys(op.port ?? {}).length === 1
  return key === undefined || !only ? undefined : `${path}.${key}: ${op.port?.[key]}`
}

/** A mode is the network's: one line where all that would follow are meant anyway. */
function modeLine(topology: Topology, netns: string, name: string, mode: string) {
  const container = topology.containers.find((c) => c.name === netns)
  const child = container?.children.find((c) => c.name === name)
  return child === undefined ? undefined : `networks.${child.network}.mode: ${mode}`
}

function sysctlLine(topology: Topology, netns: string, key: string, value: string) {
  const kind = kindOf(topology, netns)
  if (kind === undefined || !/^net\.ipv[46]\.(?:conf\.(?:all|default)\.)?\w+$/.test(key)) {
    return undefined
  }
  if (kind === 'hosts' && key === 'net.ipv4.ip_forward') return `hosts.${netns}.forward: true`
  return `${kind}.${netns}.sysctl: {${key}: ${value}}`
}

function kindOf(topology: Topology, netns: string): 'hosts' | 'containers' | undefined {
  if (topology.hosts.some((h) => h.name === netns)) return 'hosts'
  return topology.containers.some((c) => c.name === netns) ? 'containers' : undefined
}
