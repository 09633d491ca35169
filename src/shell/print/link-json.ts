/** `ip -j link` and `ip -j address`: the same fields as objects. */
import { formatIp } from '../../addr/ip.ts'
import { formatMac } from '../../addr/mac.ts'
import type { Prefix } from '../../addr/prefix.ts'
import type { LinkSnapshot } from '../../fabric/snapshot.ts'
import type { View } from '../request.ts'
import type { LinkManner } from './link.ts'
import {
  broadcastMac,
  linkFlags,
  linkName,
  linkNetns,
  linkQdisc,
  linkState,
  linkType,
} from './link.ts'
import { jsonStats } from './link-stats.ts'
import { usedQueue } from './link-details.ts'

type Json = Record<string, unknown>

export function jsonLink(
  view: View,
  l: LinkSnapshot,
  manner: LinkManner,
  addresses: boolean,
): Json {
  const elsewhere = linkNetns(view, l)
  const json: Json = { ifindex: l.index, ...parentJson(view, l) }
  Object.assign(json, {
    ifname: l.name,
    flags: linkFlags(view, l),
    mtu: l.mtu,
    qdisc: linkQdisc(l),
    ...(l.master === undefined ? {} : { master: l.master }),
    operstate: linkState(l),
    ...(addresses ? {} : { linkmode: 'DEFAULT' }),
    group: l.group === 0 ? 'default' : String(l.group),
    txqlen: l.txQueueLength,
    ...(manner.family === undefined || manner.details
      ? {
          link_type: linkType(l),
          address: formatMac(l.address),
          broadcast: formatMac(broadcastMac(l)),
        }
      : {}),
  })
  // Of objects always the number, where text names what has a name.
  if (elsewhere !== undefined) json['link_netnsid'] = 0
  if (manner.details) Object.assign(json, details(view, l))
  if (l.alias !== undefined && (!addresses || manner.details)) json['ifalias'] = l.alias
  if (l.counters !== undefined) json['stats64'] = jsonStats(l.counters)
  if (addresses) json['addr_info'] = addressInfo(view, l, manner)
  return json
}

/** What it sits on: by name where that is here, else by number. */
function parentJson(view: View, l: LinkSnapshot): Json {
  const at = linkName(view, l).split('@')[1]
  if (at === undefined) return {}
  return linkNetns(view, l) === undefined ? { link: at } : { link_index: l.parent?.index }
}

/** The same of `-br`: print_link_brief and print_addrinfo_primary with a JSON writer. */
export function briefJson(
  view: View,
  l: LinkSnapshot,
  manner: LinkManner,
  addresses: boolean,
): Json {
  const json: Json = {
    ...parentJson(view, l),
    ifname: l.name,
    operstate: linkState(l),
  }
  if (addresses) {
    const own = view.netns.addresses.filter((a) => a.link === l.name && isOf(a.address, manner))
    json['addr_info'] = own.map(({ address: { address, length } }) => ({
      local: formatIp(address),
      prefixlen: length,
    }))
    return json
  }
  return { ...json, address: formatMac(l.address), flags: linkFlags(view, l) }
}

function details(view: View, l: LinkSnapshot): Json {
  const info = kindInfo(view, l)
  return {
    promiscuity: l.promiscuity,
    allmulti: l.allmulti,
    min_mtu: l.minMtu,
    max_mtu: l.maxMtu,
    ...(info === undefined ? {} : { linkinfo: info }),
    inet6_addr_gen_mode: 'eui64',
    num_tx_queues: 1,
    num_rx_queues: 1,
    gso_max_size: 65536,
    gso_max_segs: 65535,
    tso_max_size: 524280,
    tso_max_segs: 65535,
    gro_max_size: 65536,
  }
}

function kindInfo(view: View, l: LinkSnapshot): Json | undefined {
  if (l.kind === 'loopback' || l.kind === 'device') return undefined
  const info: Json = { info_kind: l.kind }
  if (l.macvlan !== undefined) {
    info['info_data'] = {
      mode: l.macvlan.mode,
      bcqueuelen: l.macvlan.broadcastQueueLength,
      usedbcqueuelen: usedQueue(view, l, l.macvlan),
      ...(l.macvlan.mode === 'source' ? { macaddr_data: l.macvlan.sources.map(formatMac) } : {}),
    }
  } else if (l.ipvlan !== undefined) info['info_data'] = { ...l.ipvlan }
  else if (l.vlan !== undefined) {
    info['info_data'] = {
      protocol: l.vlan.protocol,
      id: l.vlan.id,
      flags: l.vlan.reorderHeader ? ['REORDER_HDR'] : [],
    }
  }
  return info
}

function isOf({ address }: Prefix, { family }: LinkManner): boolean {
  return family === undefined || (typeof address === 'number' ? 4 : 6) === family
}

function addressInfo(view: View, l: LinkSnapshot, manner: LinkManner): Json[] {
  return view.netns.addresses
    .filter((a) => a.link === l.name)
    .filter((a) => isOf(a.address, manner))
    .map((a) => ({ a, four: typeof a.address.address === 'number' }))
    .map(({ a, four }) => ({
      family: four ? 'inet' : 'inet6',
      local: formatIp(a.address.address),
      prefixlen: a.address.length,
      ...(a.broadcast === undefined ? {} : { broadcast: formatIp(a.broadcast) }),
      scope: a.scope,
      ...(a.secondary ? { secondary: true } : {}),
      ...(a.tentative ? { tentative: true } : {}),
      ...(a.dadFailed ? { dadfailed: true } : {}),
      ...(four ? { label: l.name } : {}),
      valid_life_time: 4294967295,
      preferred_life_time: 4294967295,
    }))
}
