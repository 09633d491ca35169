/**
 * A lab that lives: made once, then what people type at it. In the simulator its whole state is how
 * it was made ({@link LiveBase}) and the journal of what was typed since.
 */
import { LanyardError } from '../errors.ts'
import type { Snapshot } from '../fabric/snapshot.ts'
import { openSim, type SimFabric } from '../sim/fabric.ts'
import type { Variables } from './expression.ts'
import { type Call, commandsOf, isSave, type JournalRecord } from './journal.ts'
import { type Naming, namespacesOf, planLab } from './plan.ts'
import { Recorder, replay } from './recorder.ts'
import { UNPLUGGED } from './resolving.ts'
import type { CommandResult } from './run.ts'
import type { Container, Host, Nic, Topology } from './topology.ts'

/** Naming as simulated: a namespace is called as its node. */
const BARE: Naming = { prefix: '' }

/** A machine of a lab that commands can be typed at. */
export interface LiveNode {
  readonly name: string
  readonly kind: 'switch' | 'host' | 'container'
}

/** How a simulated lab was made: enough to make it again without its file. */
export interface LiveBase {
  readonly lab: string
  readonly seed: number
  readonly variables: Variables
  readonly nodes: readonly LiveNode[]
  readonly calls: readonly Call[]
  readonly atNs: number
}

/** Nodes of a topology in the order of the file. */
export function liveNodes(topology: Topology): LiveNode[] {
  return [
    ...topology.hosts.map(({ name }): LiveNode => ({ name, kind: 'host' })),
    ...topology.containers.map(({ name }): LiveNode => ({ name, kind: 'container' })),
    ...topology.switches.map(({ name }): LiveNode => ({ name, kind: 'switch' })),
  ]
}

/**
 * Makes a lab in the simulator and tells how: its plan, its services, the command lines of its
 * file.
 *
 * @param command runs a line at a node
 * @throws LanyardError `op-refused`, `lab-command-failed`
 */
export async function makeLive(
  topology: Topology,
  options: { readonly lab: string; readonly file: string; readonly seed: number },
  command: (fabric: Recorder, node: string, line: string) => Promise<CommandResult>,
): Promise<LiveBase> {
  const world = openSim({ seed: options.seed })
  const recorder = new Recorder(world)
  await recorder.apply(planLab(topology, BARE))
  const nodes = [...topology.hosts, ...topology.containers]
  for (const { name, listen } of nodes) {
    for (const service of listen) await recorder.listen(name, service)
  }
  await recorder.settle()
  for (const { node, text, line } of nodes.flatMap((n) => n.run)) {
    const result = await command(recorder, node, text)
    if (result.code === 0) continue
    throw new LanyardError('lab-command-failed', {
      file: options.file,
      line,
      node,
      command: text,
      status: result.code,
      output: (result.stderr || result.stdout).trim() || 'it printed nothing',
    })
  }
  await recorder.settle()
  return {
    lab: options.lab,
    seed: options.seed,
    variables: topology.variables,
    nodes: liveNodes(topology),
    calls: recorder.take(),
    atNs: world.clock.nowNs(),
  }
}

/**
 * Plays a lab to where it is.
 *
 * @throws LanyardError `lab-replay-differs` when it does not come out where it did
 */
export function openLive(base: LiveBase, records: readonly JournalRecord[]): Promise<SimFabric> {
  return playLive(base, records)
}

/**
 * {@link openLive} with somebody who looks.
 * @param onRecord asked before each record, and once at the end, with how many were played
 */
export async function playLive(
  base: LiveBase,
  records: readonly JournalRecord[],
  onRecord?: (world: SimFabric, done: number) => Promise<void>,
): Promise<SimFabric> {
  const world = openSim({ seed: base.seed })
  await replay(world, base.calls)
  for (const [done, record] of records.entries()) {
    if (onRecord !== undefined) await onRecord(world, done)
    if (!isSave(record)) await replay(world, record.calls)
  }
  if (onRecord !== undefined) await onRecord(world, records.length)
  const commands = commandsOf(records)
  const wanted = commands.at(-1)?.atNs ?? base.atNs
  if (world.clock.nowNs() !== wanted) {
    throw new LanyardError('lab-replay-differs', { lab: base.lab, commands: commands.length })
  }
  return world
}

/**
 * The topology as it is by now: addresses as they are, and the namespaces people made beside those
 * of the file, named `NODE/NAME`, or `NAME` alone where that is nobody else's.
 */
export function liveTopology(
  topology: Topology,
  snapshot: Snapshot,
): { readonly topology: Topology; readonly names: ReadonlyMap<string, string> } {
  const known = new Set([...namespacesOf(topology), UNPLUGGED, ''])
  const made = snapshot.netns.map((n) => n.name).filter((name) => !known.has(name))
  const names = new Map(made.map((name) => [name, name]))
  for (const name of made) {
    const short = name.slice(name.lastIndexOf('/') + 1)
    const alike = made.filter((m) => m.slice(m.lastIndexOf('/') + 1) === short)
    if (alike.length === 1 && !known.has(short)) names.set(name, short)
  }
  const now = (name: string): Nic[] => {
    const netns = snapshot.netns.find((n) => n.name === name)
    const global = netns?.addresses.filter((a) => a.scope === 'global' && !a.dynamic) ?? []
    return [...new Set(global.map((a) => a.link))].map((link) => ({
      name: link,
      mac: netns?.links.find((l) => l.name === link)?.address ?? 0,
      mtu: undefined,
      promisc: false,
      up: true,
      addresses: global.filter((a) => a.link === link).map((a) => a.address),
      impair: undefined,
      peer: undefined,
    }))
  }
  const hosts = topology.hosts.map(
    (host): Host => ({ ...host, nics: now(host.name), uppers: [], shims: [] }),
  )
  const containers = topology.containers.map((c): Container => {
    const children = now(c.name).map((nic) => ({ ...childLike(c, nic.name), ...nic }))
    return { ...c, children }
  })
  const more = made.map(
    (name): Host => ({
      name,
      lo: false,
      sysctls: [],
      routes: [],
      firewall: [],
      listen: [],
      run: [],
      nics: now(name),
      uppers: [],
      shims: [],
    }),
  )
  return { topology: { ...topology, hosts: [...hosts, ...more], containers }, names }
}

/** The child of the file with that name; one made by hand is drawn as the first of them. */
function childLike(container: Container, link: string): Container['children'][number] {
  const { children } = container
  return (
    children.find((c) => c.name === link) ??
    children[0] ?? {
      name: link,
      network: '',
      parent: '',
      kind: { driver: 'macvlan', mode: 'bridge' },
      mac: undefined,
      promisc: false,
      addresses: [],
    }
  )
}
