/**
 * The numbers sysctls set: one object a level (`all`, `default`, every link), its fields named as
 * the files under /proc/sys, so that reading one on the way of a packet is a field access. Such an
 * object is never changed; a level with another setting gets another one, shared by all that have
 * the same. A thousand namespaces then read the same few lines of memory.
 */

/** `net.ipv4.conf.LINK.*` (struct ipv4_devconf). */
export class Conf4 {
  // What every frame meets stands first: of a state as large, few cache lines are fetched then.
  forwarding = 0
  rp_filter = 0
  accept_local = 0
  send_redirects = 1
  route_localnet = 0
  arp_ignore = 0
  arp_filter = 0
  arp_accept = 0
  arp_announce = 0
  ignore_routes_with_linkdown = 0
  proxy_arp = 0
  // The rest.
  accept_redirects = 1
  accept_source_route = 1
  arp_evict_nocarrier = 1
  arp_notify = 0
  bc_forwarding = 0
  bootp_relay = 0
  disable_policy = 0
  disable_xfrm = 0
  drop_gratuitous_arp = 0
  drop_unicast_in_l2_multicast = 0
  force_igmp_version = 0
  log_martians = 0
  mc_forwarding = 0
  medium_id = 0
  promote_secondaries = 0
  proxy_arp_pvlan = 0
  secure_redirects = 1
  shared_media = 1
  src_valid_mark = 0
  tag = 0
}

/** `net.ipv6.conf.LINK.*` (struct ipv6_devconf). */
export class Conf6 {
  accept_dad = 1
  accept_ra = 1
  accept_ra_defrtr = 1
  accept_ra_mtu = 1
  accept_ra_pinfo = 1
  accept_ra_rtr_pref = 1
  accept_redirects = 1
  accept_source_route = 0
  accept_untracked_na = 0
  addr_gen_mode = 0
  autoconf = 1
  dad_transmits = 1
  disable_ipv6 = 0
  drop_unicast_in_l2_multicast = 0
  drop_unsolicited_na = 0
  enhanced_dad = 1
  force_mld_version = 0
  force_tllao = 0
  forwarding = 0
  hop_limit = 64
  ignore_routes_with_linkdown = 0
  keep_addr_on_down = 0
  max_addresses = 16
  mc_forwarding = 0
  mtu = 1500
  ndisc_evict_nocarrier = 1
  ndisc_notify = 0
  optimistic_dad = 0
  proxy_ndp = 0
  router_solicitation_delay = 1
  router_solicitation_interval = 4
  router_solicitation_max_interval = 3600
  router_solicitations = -1
  suppress_frag_ndisc = 1
  use_oif_addrs_only = 0
  use_optimistic = 0
  use_tempaddr = 0
}

/** `net.ipv4.neigh.LINK.*` and `net.ipv6.neigh.LINK.*` (struct neigh_parms). */
export class NeighbourConf {
  anycast_delay = 100
  app_solicit = 0
  base_reachable_time_ms = 30_000
  /** Seconds. */
  delay_first_probe_time = 5
  gc_stale_time = 60
  /** Hundredths of a second; 0 for IPv6. */
  locktime = 100
  mcast_resolicit = 0
  mcast_solicit = 3
  /** Hundredths of a second. */
  proxy_delay = 80
  proxy_qlen = 64
  retrans_time_ms = 1000
  ucast_solicit = 3
  unres_qlen_bytes = 212_992
}

/**
 * `net.ipv4.*` and `net.ipv6.*` of a namespace as a whole; IPv6 ones with their path in the name.
 */
export class NetnsConf {
  icmp_echo_ignore_all = 0
  icmp_echo_ignore_broadcasts = 1
  icmp_errors_use_inbound_ifaddr = 0
  icmp_msgs_burst = 50
  icmp_msgs_per_sec = 1000
  /** Milliseconds. */
  icmp_ratelimit = 1000
  icmp_ratemask = 6168
  ip_default_ttl = 64
  ip_forward_use_pmtu = 0
  ip_no_pmtu_disc = 0
  ip_nonlocal_bind = 0
  ipfrag_time = 30
  'route.min_pmtu' = 552
  'route.mtu_expires' = 600
  'ipv6.anycast_src_echo_reply' = 0
  'ipv6.ip6frag_time' = 60
  'ipv6.ip_nonlocal_bind' = 0
  'ipv6.bindv6only' = 0
  'ipv6.icmp.echo_ignore_all' = 0
  'ipv6.icmp.echo_ignore_anycast' = 0
  'ipv6.icmp.echo_ignore_multicast' = 0
  'ipv6.icmp.ratelimit' = 1000
  'ipv6.route.mtu_expires' = 600
  'bridge.bridge-nf-call-arptables' = 1
  'bridge.bridge-nf-call-ip6tables' = 1
  'bridge.bridge-nf-call-iptables' = 1
  'bridge.bridge-nf-filter-vlan-tagged' = 0
}

/** What the settings of a level start with; those of most levels never differ from it. */
export const CONF4: Readonly<Conf4> = Object.freeze(new Conf4())
export const CONF6: Readonly<Conf6> = Object.freeze(new Conf6())
export const NEIGHBOUR_CONF: Readonly<NeighbourConf> = Object.freeze(new NeighbourConf())
export const NETNS_CONF: Readonly<NetnsConf> = Object.freeze(new NetnsConf())

/** What came of changes made before, so that whoever sets the same shares the same. */
const CHANGED = new WeakMap<object, Map<string, object>>()

/** The same settings but for one. They are frozen: levels, links and forked worlds share them. */
export function withSetting<T extends object>(
  conf: Readonly<T>,
  field: keyof T & string,
  value: number,
): Readonly<T> {
  if (conf[field] === value) return conf
  const key = `${field} ${value}`
  let changed = CHANGED.get(conf)
  const known = changed?.get(key)
  if (known !== undefined) return known as T
  const made = conf.constructor as new () => T
  const next = Object.freeze(Object.assign(new made(), conf, { [field]: value }))
  if (changed === undefined || changed.size >= CHANGES) {
    changed = new Map()
    CHANGED.set(conf, changed)
  }
  changed.set(key, next)
  return next
}

/** Changes of one object remembered at most. */
const CHANGES = 64
