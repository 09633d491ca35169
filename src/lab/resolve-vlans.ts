/**
 * Links a host makes itself: VLAN links written down, those that the parent of a network names, and
 * dummies of networks without a parent.
 */
import type { Mac } from '../addr/mac.ts'
import { LINK_NAME_BYTES, noLink, parseMacAt, tooLong } from './links.ts'
import type { Resolving } from './resolving.ts'
import type { HostFile } from './schema.ts'
import type { Path } from './source.ts'
import type { Network, Upper } from './topology.ts'

type VlanFile = Exclude<Exclude<HostFile['vlans'], string | undefined>[number], string>

/** What `eth0.100` says. */
export interface VlanName {
  readonly parent: string
  readonly id: number
}

/** `eth0.100` as parent and id, the last dot counting; undefined where there is no number. */
export function splitVlan(text: string): VlanName | undefined {
  const match = /^(.+)\.(\d+)$/.exec(text)
  return match?.[1] === undefined ? undefined : { parent: match[1], id: Number(match[2]) }
}

/** What is wrong with a VLAN link called so on these nics; undefined when it can be made. */
export function vlanMistake(text: string, nics: readonly string[]): string | undefined {
  const vlan = splitVlan(text)
  if (vlan === undefined) {
    return `"${text}" is no VLAN link: write NIC.ID like eth0.100, ID from 1 to 4094`
  }
  const below = splitVlan(vlan.parent)
  if (below !== undefined && !nics.includes(vlan.parent) && nics.includes(below.parent)) {
    return (
      `${text} is a sub-interface of the sub-interface ${vlan.parent}: give it the parent ` +
      `${below.parent}; for a tag within a tag write {parent: ${vlan.parent}, id: ${vlan.id}} in vlans`
    )
  }
  return badId(vlan.id)
}

/** Why a number cannot be the id of a VLAN link; the kernel's words for what it refuses. */
export function badId(id: number): string | undefined {
  if (id >= 1 && id <= 4094) return undefined
  if (id === 0) {
    return 'VLAN id 0 names no VLAN: it marks frames that have a priority only; ids go from 1 to 4094'
  }
  return `VLAN id ${id} is out of range: ids go from 1 to 4094 (the kernel: "8021q: Invalid VLAN id.")`
}

/** The links in the order they are made. */
export function resolveUppers(
  reading: Resolving,
  name: string,
  host: HostFile,
  networks: readonly Network[],
): Upper[] {
  const { source } = reading
  const nics = Object.keys(host.nics ?? {})
  const uppers = new Map<string, Upper>()
  const written = typeof host.vlans === 'string' ? [host.vlans] : (host.vlans ?? [])
  for (const [i, item] of written.entries()) {
    const at: Path = ['hosts', name, 'vlans', ...(typeof host.vlans === 'string' ? [] : [i])]
    const upper =
      typeof item === 'string'
        ? fromName(reading, at, name, item, nics)
        : fromMapping(reading, at, name, item, [...nics, ...uppers.keys()])
    if (upper === undefined) continue
    if (uppers.has(upper.name) || nics.includes(upper.name)) {
      source.problem(at, `host ${name} has a link ${upper.name} already`)
      continue
    }
    const same = [...uppers.values()].find(
      (u) => u.parent === upper.parent && u.id === upper.id && u.protocol === upper.protocol,
    )
    if (same !== undefined) {
      const say = `${same.name} is VLAN ${upper.id} on ${upper.parent} already`
      source.problem(at, `${say} (the kernel: "8021q: VLAN device already exists.")`)
      continue
    }
    checkParentUp(reading, at, host, upper, uppers)
    checkMtu(reading, at, host, upper, uppers)
    uppers.set(upper.name, upper)
  }
  for (const network of networks) {
    if (!network.hosts.includes(name) || nics.includes(network.parent)) continue
    if (uppers.has(network.parent)) continue
    const at: Path = ['networks', network.name, 'parent']
    const vlan = splitVlan(network.parent)
    if (network.parent === `dm-${network.name}`) {
      uppers.set(network.parent, linkOn(undefined, undefined, network.parent))
    } else if (vlan !== undefined && vlanMistake(network.parent, nics) === undefined) {
      const upper = linkOn(vlan.parent, vlan.id, network.parent)
      if (nics.includes(vlan.parent)) checkParentUp(reading, at, host, upper, uppers)
      uppers.set(network.parent, upper)
    }
  }
  return [...uppers.values()]
}

function linkOn(parent: string | undefined, id: number | undefined, name: string): Upper {
  return {
    ...{ name, parent, id, protocol: '802.1Q', mac: undefined, mtu: undefined },
    ...{ up: true, addresses: [] },
  }
}

function fromName(
  { source }: Resolving,
  at: Path,
  host: string,
  text: string,
  nics: readonly string[],
): Upper | undefined {
  const mistake = vlanMistake(text, nics)
  const vlan = splitVlan(text)
  if (mistake !== undefined || vlan === undefined) source.problem(at, mistake ?? '')
  else if (!nics.includes(vlan.parent)) source.problem(at, noLink(host, vlan.parent, nics))
  else if (text.length > LINK_NAME_BYTES) source.problem(at, tooLong(text))
  else return linkOn(vlan.parent, vlan.id, text)
  return undefined
}

function fromMapping(
  { source }: Resolving,
  at: Path,
  host: string,
  typed: VlanFile,
  links: readonly string[],
): Upper | undefined {
  const id = Number(typed.id)
  const name = typed.name ?? `${typed.parent}.${id}`
  const mac: Mac | undefined = parseMacAt(source, [...at, 'mac'], typed.mac)
  if (!links.includes(typed.parent)) {
    const say = noLink(host, typed.parent, links)
    source.problem([...at, 'parent'], `${say}; a VLAN link on another comes after it`)
  } else if (name.length > LINK_NAME_BYTES) {
    source.problem(at, `${tooLong(name)}: give it a shorter one with "name"`)
  } else if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name)) {
    source.problem([...at, 'name'], `"${name}" is no name of a link`)
  } else {
    const upper = linkOn(typed.parent, id, name)
    const protocol = typed.protocol === '802.1ad' ? '802.1ad' : '802.1Q'
    const mtu = typed.mtu === undefined ? undefined : Number(typed.mtu)
    return { ...upper, protocol, mac, mtu, up: typed.up !== false }
  }
  return undefined
}

/** vlan_dev_open: a VLAN link comes up only over a parent that is up. */
function checkParentUp(
  { source, running }: Resolving,
  at: Path,
  host: HostFile,
  upper: Upper,
  uppers: ReadonlyMap<string, Upper>,
): void {
  if (running === true || upper.parent === undefined || !upper.up) return
  const nic = host.nics?.[upper.parent]
  const down =
    nic === undefined
      ? uppers.get(upper.parent)?.up === false
      : typeof nic !== 'string' && nic.up === false
  if (!down) return
  source.problem(
    at,
    `${upper.name} cannot be up while ${upper.parent} is down (the kernel: "RTNETLINK answers: ` +
      `Network is down"): bring ${upper.parent} up, or write {parent: ${upper.parent}, id: ` +
      `${upper.id}, up: false} in vlans`,
  )
}

/** vlan_newlink: no larger than what the parent takes. */
function checkMtu(
  { source }: Resolving,
  at: Path,
  host: HostFile,
  { name, parent, mtu }: Upper,
  uppers: ReadonlyMap<string, Upper>,
): void {
  if (mtu === undefined || parent === undefined) return
  const most = mtuOf(parent, host, uppers)
  if (mtu <= most) return
  source.problem(
    [...at, 'mtu'],
    `${name} cannot have MTU ${mtu}: its parent ${parent} has ${most} (the kernel: "RTNETLINK ` +
      `answers: Invalid argument"): give ${parent} mtu: ${mtu}, or leave this one out`,
  )
}

function mtuOf(link: string, host: HostFile, uppers: ReadonlyMap<string, Upper>): number {
  const nic = host.nics?.[link]
  if (nic !== undefined) return Number((typeof nic === 'string' ? undefined : nic.mtu) ?? 1500)
  const upper = uppers.get(link)
  if (upper === undefined) return 1500
  return upper.mtu ?? (upper.parent === undefined ? 1500 : mtuOf(upper.parent, host, uppers))
}
