/** `docker network create`: IPAM first, then the driver, as the daemon does. */
import { formatIp } from '../../addr/ip.ts'
import type { Prefix } from '../../addr/ip.ts'
import type { Op } from '../../fabric/plan.ts'
import { strerror } from '../../errno.ts'
import { ToolExit } from '../arguments.ts'
import { applyOne, takeView } from '../request.ts'
import { done, type Output } from '../session.ts'
import { Flags, flagRows } from './flags.ts'
import { checkPools, defaultPool, familyOfPool, lowestFree, readPools } from './pools.ts'
import { type Daemon, type DockerNetwork, type DockerPool, refuse } from './state.ts'

const ROWS =
  flagRows(`attachable aux-address= config-from=! config-only! d|driver= gateway= ingress!
  internal ip-range= ipam-driver= ipam-opt=! ipv6 ipv4 label= o|opt= scope=! subnet=`)

const MODES = {
  macvlan: ['bridge', 'private', 'vepa', 'passthru'],
  ipvlan: ['l2', 'l3', 'l3s'],
} as const

export async function networkCreate(daemon: Daemon, words: readonly string[]): Promise<Output> {
  const flags = new Flags('network create', ROWS, words)
  const [name, ...more] = flags.words
  if (name === undefined || more.length > 0) {
    throw new ToolExit(
      1,
      `"docker network create" requires exactly 1 argument.\nSee 'docker network create --help'.\n\n` +
        'Usage:  docker network create [OPTIONS] NETWORK\n\nCreate a network\n',
    )
  }
  const asked = readPools(
    flags.all('subnet'),
    flags.all('ip-range'),
    flags.all('gateway'),
    flags.pairs('aux-address'),
  )
  const driver = driverOf(daemon, flags.one('driver') ?? 'bridge')
  if (flags.one('ipam-driver') !== undefined && flags.one('ipam-driver') !== 'default') {
    const what = `IPAM driver ${flags.one('ipam-driver')} of docker`
    throw new ToolExit(127, `lanyard: ${what} is not part of this shell yet\n`)
  }
  if (['bridge', 'host', 'none'].includes(name) || daemon.findNetwork(name)?.name === name) {
    refuse(`network with name ${name} already exists`)
  }
  checkPools(daemon, asked)
  const options = flags.pairs('opt')
  const id = daemon.newId()
  const given = options['parent'] ?? ''
  const internal = flags.has('internal') || (daemon.dialect === '29' && given === '')
  const mode = modeOf(driver, options)
  const pools = await withGateways(daemon, asked, driver, mode, flags.has('ipv6'))
  const parent = given === '' ? `${driver === 'macvlan' ? 'dm' : 'di'}-${id.slice(0, 12)}` : given
  const draft: DockerNetwork = {
    name,
    id,
    driver,
    createdNs: daemon.nowNs,
    pools,
    internal,
    ipv6: flags.has('ipv6'),
    attachable: flags.has('attachable'),
    labels: flags.pairs('label'),
    options,
    parent,
    parentOwned: false,
    mode,
  }
  checkParentUse(daemon, draft)
  const parentOwned = await makeParent(daemon, draft, given)
  daemon.networks = [...daemon.networks, { ...draft, parentOwned }]
  daemon.save()
  return done(`${id}\n`)
}

function driverOf(daemon: Daemon, driver: string): 'macvlan' | 'ipvlan' {
  if (driver === 'macvlan' || driver === 'ipvlan') return driver
  if (['bridge', 'overlay', 'host', 'null', 'lanyard'].includes(driver)) {
    const what = `driver ${driver} of docker network create`
    const nearest = 'nearest: -d macvlan or -d ipvlan with -o parent='
    throw new ToolExit(127, `lanyard: ${what} is not part of this shell yet; ${nearest}\n`)
  }
  return daemon.dialect === '29'
    ? refuse(`could not find plugin ${driver} in v1 plugin registry: plugin not found`)
    : refuse(`plugin "${driver}" not found`)
}

function modeOf(driver: 'macvlan' | 'ipvlan', options: Readonly<Record<string, string>>): string {
  const [standard] = MODES[driver]
  const mode = options[`${driver}_mode`] ?? ''
  if (mode === '') return standard
  if ((MODES[driver] as readonly string[]).includes(mode)) return mode
  const fallback = `'${standard}' mode is the ${driver} driver default`
  return refuse(`requested ${driver} mode '${mode}' is not valid, ${fallback}`)
}

/** Pools as they are kept: a pool where none was named, and the gateways 20.10 invents. */
async function withGateways(
  daemon: Daemon,
  asked: readonly DockerPool[],
  driver: 'macvlan' | 'ipvlan',
  mode: string,
  ipv6: boolean,
): Promise<readonly DockerPool[]> {
  const view = await takeView(daemon.session, '')
  const own: Prefix[] = (view?.netns.addresses ?? []).map((a) => a.address)
  const pools = asked.some((p) => familyOfPool(p) === 4)
    ? asked
    : [...asked, defaultPool(daemon, own)]
  const kept = ipv6 ? pools : pools.filter((p) => familyOfPool(p) === 4)
  const invents = daemon.dialect === '20.10' || (driver === 'ipvlan' && mode !== 'l2')
  return kept.map((pool) => {
    if (pool.gateway !== undefined || !invents) return pool
    const first = lowestFree(daemon, pool)
    if (first === undefined) {
      return refuse('failed to allocate gateway (): No available addresses on this pool')
    }
    // A pool Docker chose itself is shown whole.
    return { ...pool, gateway: formatIp(first), shown: !asked.includes(pool) }
  })
}

/** One network a parent (20.10, and ipvlan to this day); since 28 only passthru wants it alone. */
function checkParentUse(daemon: Daemon, draft: DockerNetwork): void {
  const { driver, parent } = draft
  if (parent === 'lo') refuse(`loopback interface is not a valid ${driver} parent link`)
  const others = daemon.networks.filter((n) => n.driver === driver && n.parent === parent)
  const [other] = others
  if (other === undefined) return
  const short = `${driver === 'macvlan' ? 'dm' : 'di'}-${other.id.slice(0, 12)}`
  if (daemon.dialect === '20.10' || driver === 'ipvlan') {
    refuse(`network ${short} is already using parent interface ${parent}`)
  }
  if (draft.mode === 'passthru') {
    const using = `macvlan network ${other.id} is already using parent interface ${parent}`
    refuse(`cannot use mode passthru, ${using}`)
  }
  const alone = others.find((n) => n.mode === 'passthru')
  if (alone === undefined) return
  refuse(`macvlan network ${alone.id} is already using parent interface ${parent} in mode passthru`)
}

/** @returns whether the parent was made, and goes with the network */
async function makeParent(daemon: Daemon, draft: DockerNetwork, given: string): Promise<boolean> {
  const { parent } = draft
  const links = (await takeView(daemon.session, ''))?.netns.links ?? []
  if (links.some((l) => l.name === parent)) {
    return daemon.networks.some((n) => n.parent === parent && n.parentOwned)
  }
  const add = async (op: Op): Promise<true> => {
    const outcome = await applyOne(daemon.session, op)
    if (outcome.ok) return true
    const why = strerror(outcome.errno).toLowerCase()
    return refuse(given === '' ? why : `failed to create ${parent} vlan link: ${why}`)
  }
  if (given === '') {
    return add({ do: 'link.add', netns: '', name: parent, spec: { kind: 'dummy' }, up: true })
  }
  const [base = '', number = '', ...rest] = parent.split('.')
  if (!parent.includes('.')) {
    refuse(`invalid subinterface vlan name ${parent}, example formatting is eth0.10`)
  }
  if (rest.length > 0) {
    const example = 'required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10'
    refuse(`${example}, instead received ${parent}`)
  }
  if (!/^-?\d+$/.test(number)) {
    refuse(`unable to parse a valid vlan id from: ${number} (ex. eth0.10 for vlan 10)`)
  }
  if (!links.some((l) => l.name === base)) {
    const was = daemon.dialect === '29' ? 'was' : 'does was'
    refuse(`-o parent interface ${was} not found on the host: ${base}`)
  }
  const vlan = Number(number)
  if (vlan > 4094 || vlan < 1) refuse(`vlan id must be between 1-4094, received: ${vlan}`)
  const spec = { kind: 'vlan', parent: base, id: vlan } as const
  return add({ do: 'link.add', netns: '', name: parent, spec, up: true })
}
