/** `lanyard lab up`: makes a lab that stays. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { LanyardError } from '../errors.ts'
import { chooseTopology } from '../lab/explain.ts'
import { liveNodes, makeLive } from '../lab/live.ts'
import { drawLab } from '../lab/picture.ts'
import type { Topology } from '../lab/topology.ts'
import { formatVariables } from '../lab/variables.ts'
import { MachineFabric, machineIn } from '../shell/machine.ts'
import { runCommand } from '../shell/run.ts'
import { openSession } from '../shell/session.ts'
import { runningGuest } from './guest-record.ts'
import { loadLab } from './lab-file.ts'
import { fabricText, type LabInfo, LabState } from './lab-state.ts'
import { painter } from './terminal.ts'

export interface LabUpOptions {
  readonly fabric: LabInfo['fabric']
  readonly set: Readonly<Record<string, string>>
  readonly name?: string
  readonly seed: number
  readonly quiet?: boolean
}

/**
 * A simulated lab is made once in memory, to see that it can be, and kept as how it was made. A
 * lab on the kernel is there when this returns; a crash in the middle leaves a record by which
 * `lab down` finds all of it.
 *
 * @throws LanyardError `lab-is-up`, and those of making a lab
 */
export async function labUp(path: string, options: LabUpOptions): Promise<void> {
  const { file, topologies } = loadLab(path)
  const topology = chooseTopology(topologies, options.set, 'lanyard lab up --help')
  const lab = options.name ?? topology.lab
  checkName(lab)
  const text = readFileSync(file, 'utf8')
  const info: LabInfo = {
    version: 1,
    lab,
    title: topology.title ?? '',
    fabric: options.fabric,
    file: resolve(file),
    called: topology.lab,
    variables: topology.variables,
    nodes: liveNodes(topology),
    made: new Date().toISOString(),
  }
  const state = new LabState()
  if (state.has(lab)) {
    const other = state.info(lab)
    if (other.fabric === 'uml') runningGuest(other)
    throw new LanyardError('lab-is-up', { lab, fabric: fabricText(other.fabric) })
  }
  let notes: readonly string[] = []
  if (options.fabric === 'kernel') {
    const { kernelUp } = await import('./lab-kernel.ts')
    notes = await kernelUp(state, info, topology, text)
  } else if (options.fabric === 'uml') {
    const { umlUp } = await import('./lab-uml.ts')
    notes = await umlUp(state, info, text)
  } else {
    const base = await makeLive(topology, { lab, file, seed: options.seed }, (fabric, node, line) =>
      runCommand(openSession(new MachineFabric(fabric, node), '', machineIn(fabric, node)), line),
    )
    state.create(info, base, text)
  }
  for (const note of notes) process.stderr.write(`lanyard: ${note}\n`)
  if (options.quiet !== true) process.stdout.write(greeting(info, topology))
}

function greeting(info: LabInfo, topology: Topology): string {
  const paint = painter(process.stdout)
  const { lab, nodes } = info
  const where = formatVariables(info.variables)
  const head = [paint('title', lab), where, info.title].filter((t) => t !== '').join(': ')
  const picture = drawLab([topology], paint)
  const first = nodes[0]?.name ?? 'NODE'
  const count = `${nodes.length} ${nodes.length === 1 ? 'node' : 'nodes'}`
  return (
    `${head}\n\n${picture === '' ? '' : `${picture}\n\n`}` +
    `${paint('good', 'up')}: ${count}, ${fabricText(info.fabric)}\n` +
    `  lanyard lab shell ${first}            type commands there\n` +
    `  lanyard lab exec ${first} -- ip addr  one command\n` +
    `  lanyard lab down ${lab}\n`
  )
}

function checkName(lab: string): void {
  if (/^[a-z][a-z0-9-]{0,39}$/.test(lab)) return
  const sentence = `"${lab}" is no name for a lab: a-z first, then a-z, 0-9 and -, 40 at most`
  throw new LanyardError('usage', { sentence, help: 'lanyard lab up --help' })
}
