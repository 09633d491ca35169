/**
 * Labs that live on this kernel: their namespaces stay, and what is typed there are the machine's
 * own tools.
 *
 * Each node has a mount namespace of its own beside its network namespace, with a /run/netns that
 * is empty and a /sys that shows its links: `ip netns add ns1` on one node is neither on another
 * node nor on the machine.
 */
import { spawn, spawnSync } from 'node:child_process'
import { LanyardError } from '../errors.ts'
import type { Fabric } from '../fabric/fabric.ts'
import { netnsPrefix } from '../lab/identity.ts'
import { type Naming, namespacesOf, planLab } from '../lab/plan.ts'
import { applyPlan } from '../lab/run.ts'
import type { RunLine, Topology } from '../lab/topology.ts'
import { openKernel } from '../kernel/fabric.ts'
import { kernelLabs } from './kernel-labs.ts'
import { enterNode } from './lab-enter.ts'
import { makeMounts, removeMounts } from './lab-mounts.ts'
import { bootId } from './lab-records.ts'
import { leaveSettling, settleLab } from './lab-settle.ts'
import type { LabInfo, LabState } from './lab-state.ts'
import { onStop } from './stop.ts'

/**
 * Makes a lab on this kernel, and leaves it there. Until all of it is there, its record says that
 * this process makes it: killed, it is what `lab down` calls left over.
 *
 * Ctrl-C on the way takes back what there is.
 *
 * @returns sentences for who asked
 * @throws LanyardError `needs-root`, `lab-is-up`, `lab-stopped`, `netns-exists`, and those of
 *   making a lab
 */
export async function kernelUp(
  state: LabState,
  info: LabInfo,
  topology: Topology,
  text: string,
): Promise<readonly string[]> {
  const labs = kernelLabs()
  const naming = namingOf(info)
  const names = namespacesOf(topology).map((node) => `${naming.prefix}${node}`)
  labs.begin(info.lab, names)
  // What a killed one left: nobody else has a lab of this name.
  removeMounts(info.lab)
  const stop = onStop()
  const goOn = (): void => {
    if (stop.signal.aborted) throw new LanyardError('lab-stopped', { lab: info.lab })
  }
  const fabric = await openKernel()
  try {
    await applyPlan(fabric, planLab(topology, naming))
    const nodes = info.nodes.map(({ name }) => name)
    await makeMounts(info.lab, nodes, goOn)
    const lines = [...topology.hosts, ...topology.containers].flatMap((n) => n.run)
    if (lines.length > 0) {
      await fabric.settle({ netns: names })
      goOn()
      runLines(info, lines)
      goOn()
    } else leaveSettling(info.lab, names)
    state.create({ ...info, boot: bootId() }, undefined, text)
    labs.keep(info.lab)
    return silentServices(topology)
  } catch (error) {
    try {
      removeMounts(info.lab)
    } finally {
      await fabric.apply(
        names.map((netns) => ({ do: 'netns.del', netns })),
        { keepGoing: true },
      )
      labs.end(info.lab)
    }
    throw error
  } finally {
    stop.done()
    await fabric.close()
  }
}

/** Nobody stays to answer: better said than silent. */
function silentServices(topology: Topology): string[] {
  return [...topology.hosts, ...topology.containers].flatMap(({ name, listen }) =>
    listen.map(
      ({ protocol, port }) =>
        `nobody answers at ${name} ${protocol}/${port}: a lab on a real kernel has no process of ` +
        `ours; start one: lanyard lab shell ${name}`,
    ),
  )
}

function namingOf(info: LabInfo): Naming {
  return { prefix: netnsPrefix(info.lab, undefined) }
}

function runLines(info: LabInfo, lines: readonly RunLine[]): void {
  for (const { node, text, line } of lines) {
    const [program, ...words] = [...enterNode(info.lab, node), 'sh', '-c', text]
    const { status, stdout, stderr } = spawnSync(program, words, { encoding: 'utf8' })
    if (status === 0) continue
    const { file } = info
    const output = (stderr || stdout).trim() || 'it printed nothing'
    const detail = { file, line, node, command: text, status: status ?? 1, output }
    throw new LanyardError('lab-command-failed', detail)
  }
}

/**
 * Runs a command at a node, on this terminal. Ctrl-C is the command's own.
 * @returns its exit status
 */
export async function kernelExec(
  info: LabInfo,
  node: string,
  command: readonly string[],
): Promise<number> {
  kernelLabs()
  await settleLab(info.lab)
  const [program = '', ...words] = [...enterNode(info.lab, node), ...command]
  const child = spawn(program, words, { stdio: 'inherit' })
  const ignore = (): void => undefined
  process.on('SIGINT', ignore)
  try {
    return await new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code, signal) => resolve(signal === null ? (code ?? 1) : 130))
    })
  } finally {
    process.off('SIGINT', ignore)
  }
}

/** Removes a lab from this kernel. */
export function kernelDown(state: LabState, info: LabInfo): number {
  const labs = kernelLabs()
  removeMounts(info.lab)
  const removed = info.boot === bootId() && labs.has(info.lab) ? labs.sweep(info.lab) : []
  state.remove(info.lab)
  return removed.flatMap((r) => r.namespaces).length
}

/** A lab on this kernel, to measure in. */
export async function openKernelSite(
  info: LabInfo,
): Promise<{ readonly fabric: Fabric; readonly naming: Naming }> {
  kernelLabs()
  await settleLab(info.lab)
  return { fabric: await openKernel(), naming: namingOf(info) }
}
