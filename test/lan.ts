/** The pieces every test world is made of, as ops: namespaces, a switch, hosts on it, children. */
import type { Mac } from '../src/addr/mac.ts'
import type { LinkSpec, MacvlanOptions, Op } from '../src/fabric/plan.ts'

/** 10.9.0.N and fd00:9::N, the addresses of every test LAN. */
export const LAN4 = 0x0a090000
export const LAN6 = 0xfd000009_00000000_00000000_00000000n

/**
 * A namespace with known settings: it takes over the IPv4 settings of the one the program runs in,
 * so what matters is said.
 */
export function netnsOps(
  netns: string,
  options: { readonly lo?: boolean; readonly ip6?: boolean; readonly forward?: boolean } = {},
): Op[] {
  const settings: [string, string][] = [
    ['net.ipv4.ip_forward', options.forward === true ? '1' : '0'],
    ['net.ipv4.conf.all.rp_filter', '0'],
    ['net.ipv4.conf.default.rp_filter', '0'],
  ]
  if (options.ip6 === false)
    for (const level of ['all', 'default'])
      settings.push([`net.ipv6.conf.${level}.disable_ipv6`, '1'])
  else if (options.forward === true) settings.push(['net.ipv6.conf.all.forwarding', '1'])
  return [
    { do: 'netns.add', netns },
    ...settings.map(([key, value]): Op => ({ do: 'sysctl.set', netns, key, value })),
    ...(options.lo === false ? [] : [{ do: 'link.set', netns, name: 'lo', up: true } as const]),
  ]
}

/** A bridge `br0` in its own namespace, silent in IPv6. */
export function switchOps(netns: string, mac: Mac): Op[] {
  return [
    { do: 'link.add', netns, name: 'br0', spec: { kind: 'bridge' }, address: mac },
    silence(netns, 'br0'),
    { do: 'link.set', netns, name: 'br0', up: true },
  ]
}

/** A cable from a new port of the switch to `eth0` of a host. */
export function cableOps(options: {
  readonly sw: string
  readonly port: string
  readonly portMac: Mac
  readonly netns: string
  readonly mac: Mac
}): Op[] {
  const { sw, port, netns } = options
  return [
    {
      do: 'link.add',
      netns: sw,
      name: port,
      address: options.portMac,
      spec: { kind: 'veth', peer: { name: 'eth0', netns, address: options.mac } },
    },
    silence(sw, port),
    { do: 'link.set', netns: sw, name: port, master: 'br0', up: true },
  ]
}

/** A macvlan child `m0`, made in place in its own namespace. */
export function childOps(options: {
  readonly netns: string
  readonly parentNetns: string
  readonly mac: Mac
  readonly macvlan: MacvlanOptions
  readonly parent?: string
  readonly kind?: 'macvlan' | 'macvtap'
  readonly mtu?: number
}): Op[] {
  const spec: LinkSpec = {
    kind: options.kind ?? 'macvlan',
    parent: options.parent ?? 'eth0',
    macvlan: options.macvlan,
  }
  const { netns, parentNetns, mtu } = options
  return [
    {
      do: 'link.add',
      netns,
      name: 'm0',
      parentNetns,
      address: options.mac,
      spec,
      ...(mtu === undefined ? {} : { mtu }),
    },
  ]
}

/** 10.9.0.N/24 and, unless told otherwise, fd00:9::N/64 without duplicate address detection. */
export function addressOps(netns: string, link: string, last: number, ip6 = true): Op[] {
  const four: Op = {
    do: 'address.add',
    netns,
    link,
    address: { address: LAN4 + last, length: 24 },
  }
  if (!ip6) return [four]
  return [
    four,
    {
      do: 'address.add',
      netns,
      link,
      address: { address: LAN6 + BigInt(last), length: 64 },
      nodad: true,
    },
  ]
}

/** No IPv6 on a switch's own links: their chatter would only disturb the tables. */
function silence(netns: string, link: string): Op {
  return { do: 'sysctl.set', netns, key: `net.ipv6.conf.${link}.disable_ipv6`, value: '1' }
}
