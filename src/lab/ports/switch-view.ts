/** A machine that is nothing but a bridge is a switch of a lab. */
import { formatNetem } from '../../fabric/netem.ts'
import type { LinkSnapshot, NetnsSnapshot, Snapshot } from '../../fabric/snapshot.ts'

/** A port as a lab file writes it. */
export type PortFile = Readonly<Record<string, unknown>> | string

/** The ports of a machine that is a switch, by name; undefined when it is something else. */
export function switchPorts(
  node: string,
  nics: readonly string[],
  snapshot: Snapshot,
): ReadonlyMap<string, PortFile> | undefined {
  const netns = snapshot.netns.find((n) => n.name === node)
  if (netns === undefined || nics.length === 0) return undefined
  if (snapshot.netns.some((n) => n.name.startsWith(`${node}/`))) return undefined
  const bridge = onlyBridge(netns, nics)
  if (bridge?.bridge === undefined) return undefined
  const ports = new Map<string, PortFile>()
  for (const name of nics) {
    const link = netns.links.find((l) => l.name === name)
    if (link?.master !== bridge.name || link.port === undefined) return undefined
    const words = bridge.bridge.vlanFiltering ? vlanWords(netns, name) : {}
    if (words === undefined) return undefined
    const { hairpin, isolated, learning, flood } = link.port
    const flags = {
      ...(hairpin ? { hairpin } : {}),
      ...(isolated ? { isolated } : {}),
      ...(learning ? {} : { learning }),
      ...(flood ? {} : { flood }),
      ...(link.up ? {} : { up: false }),
      ...(link.mtu === 1500 ? {} : { mtu: link.mtu }),
      ...impairFile(link),
    }
    ports.set(name, { ...words, ...flags })
  }
  return ports
}

/** What befalls the frames that leave by a link, as a lab file writes it. */
export function impairFile({ netem }: LinkSnapshot): { readonly impair?: string } {
  const words = netem === undefined ? '' : formatNetem(netem)
  return words === '' ? {} : { impair: words }
}

/** Its bridge, where beside ports there is nothing else, and it does nothing but switch. */
function onlyBridge(netns: NetnsSnapshot, nics: readonly string[]): LinkSnapshot | undefined {
  const others = netns.links.filter((l) => l.kind !== 'loopback' && !nics.includes(l.name))
  const [bridge] = others
  const options = bridge?.bridge
  if (bridge === undefined || options === undefined || others.length > 1 || !bridge.up)
    return undefined
  if (options.stp || options.groupForwardMask !== 0 || options.vlanDefaultPvid !== 1)
    return undefined
  const speaks = netns.addresses.some((a) => a.scope === 'global')
  const rules = (netns.filters ?? []).some((c) => c.policy !== 'accept' || c.rules.length > 0)
  const fixed = netns.fdb.some((f) => f.state === 'static')
  return speaks || rules || fixed ? undefined : bridge
}

function vlanWords(netns: NetnsSnapshot, link: string): Record<string, unknown> | undefined {
  const all = netns.vlans.filter((v) => v.link === link)
  const tagged = all.filter((v) => !v.untagged).map((v) => v.vlan)
  const untagged = all.filter((v) => v.untagged)
  const [native] = untagged
  if (untagged.length > 1 || all.some((v) => v.pvid !== v.untagged)) return undefined
  if (tagged.length > 0)
    return { trunk: tagged, ...(native === undefined ? {} : { native: native.vlan }) }
  return native === undefined ? undefined : { access: native.vlan }
}
