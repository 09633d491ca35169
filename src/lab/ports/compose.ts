/**
 * A Compose file as a lab: its macvlan and ipvlan networks on one host, its services as containers,
 * and around them the LAN that the file speaks of: a switch a parent, and a router that has the
 * gateways.
 */
import { tryParsePrefix } from '../../addr/prefix.ts'
import { splitVlan } from '../resolve-vlans.ts'
import type { Path } from '../source.ts'
import {
  type Carried,
  type Compose,
  type ComposeFile,
  type ComposeNetwork,
  composeSchema,
} from './compose-schema.ts'
import { putServices } from './compose-services.ts'
import { Draft, formatPlace, type Imported } from './draft.ts'
import {
  type ImportOptions,
  labNameLike,
  Names,
  noteKeys,
  openForeign,
  placeIn,
  shaped,
} from './foreign.ts'

/**
 * Imports a Compose file.
 *
 * @param fallback name of the lab when neither the file nor the options have one
 * @throws LanyardError `lab-invalid` with the places of what is wrong
 */
export function importCompose(
  file: string,
  text: string,
  fallback: string,
  options: ImportOptions,
): Imported {
  const source = openForeign(file, text, options)
  const typed = shaped(source, composeSchema, 'must be a mapping with services and networks')
  const lab = labNameLike(options.name ?? typed.name ?? fallback)
  const draft = new Draft(lab, [
    `From ${file} (Compose): its macvlan and ipvlan networks, on one host.`,
    'The switches and the router are the LAN around it, as the file speaks of it.',
  ])
  const names = new Names()
  const host = names.take('docker')
  const carried = new Map<string, Carried>()
  const parents = wantedParents(typed)
  putLan({ draft, source, file: typed, names, host, carried }, parents)
  for (const [name, network] of Object.entries(typed.networks ?? {})) {
    const kept = putNetwork(
      { draft, source, file: typed, names, host, carried },
      name,
      network ?? {},
    )
    if (kept !== undefined) carried.set(name, kept)
  }
  const compose = { draft, source, file: typed, names, host, carried }
  if (carried.size === 0) {
    source.problem(
      typed.networks === undefined ? [] : ['networks'],
      'there is no macvlan or ipvlan network to carry: a lab has no bridge networks of Docker',
      'key',
    )
    source.check()
  }
  putServices(compose)
  const known = ['name', 'version', 'services', 'networks']
  noteKeys(draft, source, [], known, { what: 'the file', why: 'a lab has networks only' })
  draft.topology(file)
  return { text: draft.text(), notes: draft.notes }
}

/** A nic of the host, with the VLANs that networks want of it. */
interface Parent {
  readonly nic: string
  readonly from: Path
  untagged: boolean
  readonly vlans: Set<number>
  /** Gateways with their prefix length, by link. */
  readonly gateways: Map<string, Set<string>>
}

function isLan(network: ComposeNetwork | null): network is ComposeNetwork {
  return network?.driver === 'macvlan' || network?.driver === 'ipvlan'
}

function isLayer3({ driver, driver_opts: opts }: ComposeNetwork): boolean {
  return driver === 'ipvlan' && ['l3', 'l3s'].includes(String(opts?.['ipvlan_mode']))
}

function parentOf(network: ComposeNetwork): string | undefined {
  const parent = network.driver_opts?.['parent']
  return parent === undefined || parent === '' ? undefined : String(parent)
}

function wantedParents(file: ComposeFile): Parent[] {
  const parents = new Map<string, Parent>()
  for (const [name, network] of Object.entries(file.networks ?? {})) {
    const parent = isLan(network) ? parentOf(network) : undefined
    if (network === null || parent === undefined) continue
    const vlan = splitVlan(parent)
    const nic = vlan?.parent ?? parent
    const from: Path = ['networks', name, 'driver_opts', 'parent']
    const one: Parent = parents.get(nic) ?? {
      ...{ nic, from, untagged: false },
      ...{ vlans: new Set<number>(), gateways: new Map<string, Set<string>>() },
    }
    parents.set(nic, one)
    if (vlan === undefined) one.untagged = true
    else one.vlans.add(vlan.id)
    for (const { subnet, gateway } of network.ipam?.config ?? []) {
      const length = tryParsePrefix(subnet ?? '')?.length
      if (gateway === undefined || length === undefined || network.internal === true) continue
      if (isLayer3(network)) continue
      const link = vlan === undefined ? 'eth0' : `eth0.${vlan.id}`
      const all = one.gateways.get(link) ?? new Set<string>()
      one.gateways.set(link, all.add(`${gateway}/${length}`))
    }
  }
  return [...parents.values()]
}

/** The switches, the host with its nics, and the router of the gateways. */
function putLan({ draft, source, names, host }: Compose, parents: readonly Parent[]): void {
  const routed = parents.filter((p) => p.gateways.size > 0)
  const router = routed.length === 0 ? undefined : names.take('router')
  const plugs = parents.map((parent) => {
    const ids = [...parent.vlans].sort((a, b) => a - b)
    const native = parent.untagged ? ' native 1' : ''
    const port = ids.length === 0 ? {} : `trunk ${ids.join(' ')}${native}`
    const sw = names.take(`lan-${parent.nic}`)
    const nic = routed.indexOf(parent)
    const from = placeIn(source, parent.from)
    const ports = { p0: port, ...(nic < 0 ? {} : { p1: port }) }
    draft.put(['switches', sw, 'ports'], ports, { from, flow: true })
    return { parent, sw, nic, ids, from }
  })
  for (const { parent, sw, from } of plugs) {
    const comment = `${formatPlace(from)}: parent`
    draft.put(['hosts', host, 'nics', parent.nic], `${sw}:p0`, { from, comment })
  }
  if (parents.length === 0)
    draft.put(['hosts', host], {}, { comment: 'the host of the containers' })
  if (router === undefined) return
  for (const { parent, sw, nic, ids, from } of plugs) {
    if (nic < 0) continue
    const link = `eth${nic}`
    draft.put(['hosts', router, 'nics', link], `${sw}:p1`, { from })
    const vlans = ids.filter((id) => parent.gateways.has(`eth0.${id}`)).map((id) => `${link}.${id}`)
    if (vlans.length > 0) {
      for (const vlan of vlans) draft.push(['hosts', router, 'vlans'], vlan)
    }
    for (const [on, gateways] of parent.gateways) {
      const path: Path = ['hosts', router, 'addr', on.replace('eth0', link)]
      draft.put(path, one([...gateways]), { from, flow: true })
    }
  }
  draft.put(['hosts', router, 'forward'], true)
  draft.say(['hosts', router], 'has the gateways that the networks name')
}

const OPTIONS = ['parent', 'macvlan_mode', 'ipvlan_mode', 'ipvlan_flag']

function putNetwork(compose: Compose, name: string, network: ComposeNetwork): Carried | undefined {
  const { draft, source, names, host } = compose
  const path: Path = ['networks', name]
  const at = placeIn(source, path)
  if (!isLan(network)) {
    draft.note(at, `network ${name}: left out: ${whyLeftOut(name, network)}`)
    return undefined
  }
  const driver = network.driver === 'ipvlan' ? 'ipvlan' : 'macvlan'
  const own = names.take(name)
  const lab: Path = ['networks', own]
  const from = placeIn(source, path)
  draft.put([...lab, 'driver'], driver, { from: placeIn(source, [...path, 'driver']) })
  draft.say(lab, formatPlace(from))
  const parent = parentOf(network)
  const opts = network.driver_opts ?? {}
  const put = (key: string, value: unknown, sub: Path): void => {
    if (value === undefined) return
    draft.put([...lab, key], value, { from: placeIn(source, [...path, ...sub]), flow: true })
  }
  put('parent', parent, ['driver_opts', 'parent'])
  put('mode', opts[`${driver}_mode`], ['driver_opts', `${driver}_mode`])
  if (driver === 'ipvlan') put('flag', opts['ipvlan_flag'], ['driver_opts', 'ipvlan_flag'])
  const pools = network.ipam?.config ?? []
  const of = (key: 'subnet' | 'gateway' | 'ip_range'): string | string[] | undefined => {
    const all = pools.flatMap((p) => p[key] ?? [])
    return all.length === 0 ? undefined : one(all)
  }
  const config: Path = ['ipam', 'config']
  put('subnet', of('subnet'), config)
  const layer3 = isLayer3(network)
  const gateway = of('gateway')
  if (!layer3) put('gateway', gateway, config)
  else if (gateway !== undefined) {
    const what = typeof gateway === 'string' ? gateway : gateway.join(', ')
    const mode = String(opts['ipvlan_mode'])
    draft.note(at, `network ${name}: not carried: gateway ${what} (mode ${mode} takes none)`)
  }
  put('ipRange', of('ip_range'), config)
  const aux = Object.assign({}, ...pools.map((p) => p.aux_addresses ?? {})) as object
  if (Object.keys(aux).length > 0) put('aux', aux, config)
  if (network.internal === true) put('internal', true, ['internal'])
  put('hosts', host, [])
  if (pools.length === 0) {
    draft.note(
      at,
      `network ${name}: has no subnet: Docker would choose one, a lab leaves it without addresses`,
    )
  }
  sayOthers(compose, name, path, driver)
  return { name: own, layer3 }
}

/** What of a network's keys has no place in a lab. */
function sayOthers({ draft, source }: Compose, name: string, path: Path, driver: string): void {
  const what = `network ${name}`
  const why = 'it changes nothing of who reaches whom'
  const keys = ['driver', 'driver_opts', 'ipam', 'internal', 'enable_ipv6', 'enable_ipv4']
  noteKeys(draft, source, path, keys, { what, why })
  const options = OPTIONS.filter((o) => o === 'parent' || o.startsWith(driver))
  noteKeys(draft, source, [...path, 'driver_opts'], options, {
    what: `${what}: driver_opts`,
    why: `no option of ${driver} that a lab has`,
  })
  noteKeys(draft, source, [...path, 'ipam'], ['config'], {
    what: `${what}: ipam`,
    why: 'a lab gives addresses itself',
  })
}

function whyLeftOut(name: string, network: ComposeNetwork): string {
  if (network.external !== undefined && network.external !== false) {
    return `it is external, and its subnets are not in this file (docker network inspect ${name})`
  }
  const driver = network.driver ?? 'bridge'
  return `driver ${driver} is none of the LAN; a lab has macvlan and ipvlan`
}

/** One thing as it is, several as a list. */
export function one(all: readonly string[]): string | string[] {
  return all.length === 1 ? (all[0] as string) : [...all]
}
