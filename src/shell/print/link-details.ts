/** What `ip -d link` adds: print_linktype() and the print_opt() of each kind. */
import { formatMac, type Mac } from '../../addr/mac.ts'
import type { LinkSnapshot } from '../../fabric/snapshot.ts'
import type { View } from '../request.ts'

/** What every link ends with; sizes as a kernel without hardware offload gives them. */
export const TAIL =
  'addrgenmode eui64 numtxqueues 1 numrxqueues 1 gso_max_size 65536 gso_max_segs 65535 ' +
  'tso_max_size 524280 tso_max_segs 65535 gro_max_size 65536 '

const PLAIN_KINDS: readonly string[] = ['veth', 'dummy']

export function kindDetails(view: View, l: LinkSnapshot): string {
  if (l.macvlan !== undefined) return `\n    ${l.kind} ${macvlanDetails(view, l, l.macvlan)}`
  if (l.ipvlan !== undefined) return `\n    ipvlan  mode ${l.ipvlan.mode} ${l.ipvlan.flag} `
  if (l.vlan !== undefined) return `\n    vlan ${vlanDetails(l.vlan)}`
  if (l.bridge !== undefined) return `\n    bridge ${bridgeDetails(view, l, l.bridge)}`
  if (l.kind === 'tun' || l.kind === 'tap')
    return `\n    tun type ${l.kind} pi off vnet_hdr off persist on `
  return PLAIN_KINDS.includes(l.kind) ? `\n    ${l.kind} ` : ''
}

type Macvlan = NonNullable<LinkSnapshot['macvlan']>

/** macvlan_print_opt(); the queue length used is the largest any child of the parent asks for. */
function macvlanDetails(view: View, l: LinkSnapshot, m: Macvlan): string {
  const out = [`mode ${m.mode}`]
  if (m.nopromisc) out.push('nopromisc')
  if (m.nodst) out.push('nodst')
  out.push(`bcqueuelen ${m.broadcastQueueLength} usedbcqueuelen ${usedQueue(view, l, m)}`)
  if (m.mode === 'source') {
    out.push(`remotes (${m.sources.length})`, ...m.sources.map(formatMac))
  }
  return `${out.join(' ')} `
}

export function usedQueue(view: View, l: LinkSnapshot, m: Macvlan): number {
  const siblings = view.all.netns.flatMap((n) =>
    n.links.filter(
      (o) =>
        o.macvlan !== undefined &&
        o.parent?.index === l.parent?.index &&
        o.parent?.netns === l.parent?.netns,
    ),
  )
  return Math.max(
    m.broadcastQueueLength,
    ...siblings.map((s) => s.macvlan?.broadcastQueueLength ?? 0),
  )
}

type Vlan = NonNullable<LinkSnapshot['vlan']>

/** vlan_print_opt(). */
function vlanDetails(v: Vlan): string {
  const flags: string[] = []
  if (v.reorderHeader) flags.push('REORDER_HDR')
  if (v.gvrp) flags.push('GVRP')
  if (v.mvrp) flags.push('MVRP')
  if (v.looseBinding) flags.push('LOOSE_BINDING')
  let text = `protocol ${v.protocol} id ${v.id} <${flags.join(',')}> `
  const maps = [
    ['ingress-qos-map', v.ingressQos],
    ['egress-qos-map', v.egressQos],
  ] as const
  for (const [name, map] of maps) {
    if (map.length > 0) text += `\n      ${name} { ${map.map(([a, b]) => `${a}:${b} `).join('')}} `
  }
  return text
}

/** A bridge id: priority, dot, the MAC with each byte as short as %x makes it. */
function bridgeId(mac: Mac): string {
  return `8000.${formatMac(mac)
    .split(':')
    .map((b) => Number.parseInt(b, 16).toString(16))
    .join(':')}`
}

type Bridge = NonNullable<LinkSnapshot['bridge']>

/** bridge_print_opt(): what a plan cannot set shows the kernel's default. */
function bridgeDetails(view: View, l: LinkSnapshot, b: Bridge): string {
  const ports = view.netns.links.filter((o) => o.master === l.name)
  const id = bridgeId(ports.length === 0 ? 0 : l.address)
  return [
    `forward_delay ${b.forwardDelay * 100} hello_time 200 max_age 2000`,
    `ageing_time ${b.ageingTime * 100} stp_state ${Number(b.stp)} priority 32768`,
    `vlan_filtering ${Number(b.vlanFiltering)} bridge_id ${id} designated_root ${id}`,
    'root_port 0 root_path_cost 0 topology_change 0 topology_change_detected 0',
    'hello_timer    0.00 tcn_timer    0.00 topology_change_timer    0.00 gc_timer    0.00',
    `group_fwd_mask ${b.groupForwardMask} group_address 01:80:c2:00:00:00`,
    `mcast_snooping ${Number(b.multicastSnooping)} no_linklocal_learn 0 mcast_vlan_snooping 0`,
    'mcast_router 1 mcast_query_use_ifaddr 0 mcast_querier 0 mcast_hash_elasticity 16',
    'mcast_hash_max 4096 mcast_last_member_count 2 mcast_startup_query_count 2',
    'mcast_last_member_interval 100 mcast_membership_interval 26000 mcast_querier_interval 25500',
    'mcast_query_interval 12500 mcast_query_response_interval 1000',
    'mcast_startup_query_interval 3124 mcast_stats_enabled 0 mcast_igmp_version 2',
    'mcast_mld_version 1 nf_call_iptables 0 nf_call_ip6tables 0 nf_call_arptables 0 ',
  ].join(' ')
}

const PORT_STATES = ['disabled', 'listening', 'learning', 'forwarding', 'blocking'] as const
export const portStateName = (state: number): string => PORT_STATES[state] ?? `state (${state})`
export const onOffWord = (on: boolean): string => (on ? 'on' : 'off')

/** bridge_slave_print_opt(), the flags a plan can set. */
export function portDetails(view: View, l: LinkSnapshot): string {
  const p = l.port
  if (p === undefined) return ''
  const master = view.netns.links.find((o) => o.name === l.master)
  const id = bridgeId(master?.address ?? 0)
  const number = portNumber(view, l)
  return [
    `\n    bridge_slave state ${portStateName(p.state)} priority 32 cost 2`,
    `hairpin ${onOffWord(p.hairpin)} guard off root_block off fastleave off`,
    `learning ${onOffWord(p.learning)} flood ${onOffWord(p.flood)}`,
    `port_id 0x${(0x8000 + number).toString(16)} port_no 0x${number.toString(16)}`,
    `designated_port ${0x8000 + number} designated_cost 0 designated_bridge ${id}`,
    `designated_root ${id} hold_timer    0.00 message_age_timer    0.00`,
    'forward_delay_timer    0.00 topology_change_ack 0 config_pending 0 proxy_arp off',
    'proxy_arp_wifi off mcast_router 1 mcast_fast_leave off',
    `mcast_flood ${onOffWord(p.multicastFlood)} bcast_flood ${onOffWord(p.broadcastFlood)}`,
    'mcast_to_unicast off neigh_suppress off group_fwd_mask 0 group_fwd_mask_str 0x0',
    `vlan_tunnel off isolated ${onOffWord(p.isolated)} locked ${onOffWord(p.locked)} `,
  ].join(' ')
}

/** Ports are numbered as they come; after one left, the kernel's numbers may differ from this. */
function portNumber(view: View, l: LinkSnapshot): number {
  return view.netns.links.filter((o) => o.master === l.master && o.index <= l.index).length
}
