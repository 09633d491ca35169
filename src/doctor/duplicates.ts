/** Addresses and MACs that are there twice on one wire. */
import { formatIp, isLinkLocalIp } from '../addr/ip.ts'
import { formatMac } from '../addr/mac.ts'
import { waysOut } from '../explain/edges.ts'
import type { LinkAt } from '../explain/scene.ts'
import { type Check, type Finding, finding } from './check.ts'
import type { Facts } from './facts.ts'
import { nameOf, sceneOf } from './view.ts'

export const duplicatesCheck: Check = {
  id: 'duplicates',
  title: 'addresses and MACs that are there twice',
  run: (facts) => [...answered(facts), ...addresses(facts), ...macs(facts), ...dad(facts)],
}

/** Somebody else on the LAN answered for an address of ours. */
function answered(facts: Facts): Finding[] {
  return facts.active.flatMap(({ parent, conflicts }) =>
    conflicts.map(({ ip, mac }) => {
      const [owner] = sceneOf(facts).owners(ip)
      const ours = owner === undefined ? 'this machine' : nameOf(facts, owner.netns)
      return finding(
        'problem',
        'duplicate-address',
        formatIp(ip),
        `${formatIp(ip)} is there twice: ${ours} has it, and ${formatMac(mac)} at ${parent} answers for it`,
        `another address for one of the two (who is it: ip neigh show ${formatIp(ip)})`,
      )
    }),
  )
}

/** A wire two links share: the same way out, with the same tags. */
function wiresOf(facts: Facts, at: LinkAt): string[] {
  return waysOut(sceneOf(facts), at).map(
    ({ edge, vlans }) => `${edge.netns} ${edge.link.index} ${vlans.join()}`,
  )
}

function addresses(facts: Facts): Finding[] {
  const scene = sceneOf(facts)
  const held = new Map<string, { netns: string; ip: string }[]>()
  for (const { name, addresses: all } of facts.snapshot.netns) {
    for (const { link, address, scope } of all) {
      const at = scene.link(name, link)
      if (at === undefined || scope === 'host' || at.kind === 'loopback') continue
      if (isLinkLocalIp(address.address)) continue
      const ip = formatIp(address.address)
      for (const wire of wiresOf(facts, { netns: name, link: at })) {
        push(held, `${wire} ${ip}`, { netns: name, ip })
      }
    }
  }
  return [...held.values()].flatMap((holders) => {
    const who = [...new Set(holders.map(({ netns }) => nameOf(facts, netns)))]
    const [first] = holders
    if (who.length < 2 || first === undefined) return []
    return [
      finding(
        'problem',
        'duplicate-address',
        first.ip,
        `${first.ip} is there twice on one wire: ${who.join(' and ')} have it; who answers first wins`,
        'another address for all but one of them',
      ),
    ]
  })
}

function macs(facts: Facts): Finding[] {
  const held = new Map<string, { netns: string; mac: string }[]>()
  for (const at of sceneOf(facts).links()) {
    const { link, netns } = at
    // Of ipvlan and VLAN links and of bridges the MAC is that of what they sit on.
    const own = link.macvlan !== undefined && link.macvlan.mode !== 'passthru'
    if (!own && link.kind !== 'device') continue
    const mac = formatMac(link.address)
    for (const wire of wiresOf(facts, at)) push(held, `${wire} ${mac}`, { netns, mac })
  }
  return [...held.values()].flatMap((holders) => {
    const [first] = holders
    if (holders.length < 2 || first === undefined) return []
    const who = [...new Set(holders.map(({ netns }) => nameOf(facts, netns)))]
    return [
      finding(
        'problem',
        'duplicate-mac',
        first.mac,
        `MAC ${first.mac} is there twice on one wire: ${who.join(' and ')}; frames for one go to the other`,
        'ip link set dev NAME address ... inside one of them (Docker: --mac-address)',
      ),
    ]
  })
}

/** IPv6 looks by itself, and leaves such an address unused. */
function dad(facts: Facts): Finding[] {
  return facts.snapshot.netns.flatMap(({ name, addresses: all }) =>
    all
      .filter((a) => a.dadFailed)
      .map((a) =>
        finding(
          'problem',
          'dad-failed',
          formatIp(a.address.address),
          `${nameOf(facts, name)} may not use ${formatIp(a.address.address)} on ${a.link}: somebody else has it (dadfailed)`,
          'another address for one of the two; a virtual switch that echoes frames brings it about, too',
        ),
      ),
  )
}

function push<V>(map: Map<string, V[]>, key: string, value: V): void {
  map.set(key, [...(map.get(key) ?? []), value])
}
