/** `lanyard lab matrix` and `lanyard lab test`: who reaches whom in a lab as it is by now. */
import { isAbsolute, relative } from 'node:path'
import type { Fabric } from '../fabric/fabric.ts'
import { askedPairs, judge, type Judged, matrixNodes, matrixPairs } from '../lab/judge.ts'
import { LanyardError } from '../errors.ts'
import { chooseTopology } from '../lab/explain.ts'
import { liveTopology } from '../lab/live.ts'
import type { Naming } from '../lab/plan.ts'
import { printJudged, printMatrix } from '../lab/print.ts'
import { type FindReason, type Pair, Prober } from '../lab/probing.ts'
import { readLab } from '../lab/read.ts'
import type { CombinationReport, LabReport, MatrixReport } from '../lab/run.ts'
import { reportJson } from '../lab/json.ts'
import { LabSource } from '../lab/source.ts'
import type { Topology } from '../lab/topology.ts'
import { simReason } from '../lab/why.ts'
import type { SimFabric } from '../sim/fabric.ts'
import { EXIT } from './failure.ts'
import { chooseLab, LiveSim, tellFileNote } from './lab-live.ts'
import { fabricText, type LabInfo, LabState } from './lab-state.ts'
import type { LivePlace } from './explain-lab-fix.ts'
import { painter } from './terminal.ts'

interface MeasureOptions {
  readonly json?: boolean
}

/** The place to measure in: a copy of a simulated lab, or the lab itself on the kernel. */
interface Site {
  readonly info: LabInfo
  readonly topology: Topology
  readonly names: ReadonlyMap<string, string>
  readonly fabric: Fabric
  readonly naming: Naming
  readonly reason: FindReason | undefined
  close(): Promise<void>
}

/** @returns the exit status */
export async function labMatrix(lab: string | undefined, options: MeasureOptions): Promise<number> {
  const site = await openSite(lab, 'matrix', options)
  if (typeof site === 'number') return site
  try {
    const matrices = await measure(site)
    const paint = painter(process.stdout)
    const texts = matrices.map((m) => printMatrix(m, matrices.length > 1, paint))
    if (options.json === true) writeJson(site, matrices, [])
    else process.stdout.write(`${texts.join('\n\n') || 'nobody has an address'}\n`)
    return EXIT.ok
  } finally {
    await site.close()
  }
}

/** @returns the exit status */
export async function labTest(lab: string | undefined, options: MeasureOptions): Promise<number> {
  const site = await openSite(lab, 'test', options)
  if (typeof site === 'number') return site
  try {
    const prober = new Prober(site.fabric, site.naming, site.topology, site.reason)
    const judged: Judged[] = []
    for (const expectation of site.topology.expect) {
      const asked = askedPairs(site.topology, expectation)
      const pairs = asked.filter((a): a is Pair => typeof a !== 'string')
      judged.push(judge(expectation, asked, await prober.cells(pairs, never)))
    }
    const missed = judged.filter((j) => !j.met).length
    if (options.json === true) writeJson(site, [], judged)
    else process.stdout.write(testText(judged))
    return missed === 0 ? EXIT.ok : EXIT.missed
  } finally {
    await site.close()
  }
}

const never = (): Promise<void> => Promise.resolve()

function testText(judged: readonly Judged[]): string {
  const paint = painter(process.stdout)
  if (judged.length === 0) return 'the file expects nothing\n'
  const missed = judged.filter((j) => !j.met).length
  const met = `${judged.length - missed} met`
  const total = `${missed === 0 ? paint('good', met) : met}, ${missed === 0 ? '0 missed' : paint('bad', `${missed} missed`)}`
  return `${judged.map((j) => printJudged(j, paint)).join('\n')}\n${total}\n`
}

async function measure(site: Site): Promise<MatrixReport[]> {
  const { topology, names } = site
  const prober = new Prober(site.fabric, site.naming, topology, site.reason)
  const called = (name: string) => names.get(name) ?? name
  const reports: MatrixReport[] = []
  for (const family of [4, 6] as const) {
    const nodes = matrixNodes(topology, family).map((n) => called(n.name))
    if (nodes.length < 2) continue
    const cells = await prober.cells(matrixPairs(topology, family), never)
    reports.push({
      family,
      nodes,
      cells: cells.map((c) => ({
        ...c,
        from: called(c.from),
        ...(c.to === undefined ? {} : { to: called(c.to) }),
      })),
    })
  }
  return reports
}

function writeJson(site: Site, matrices: readonly MatrixReport[], judged: readonly Judged[]): void {
  const combination: CombinationReport = {
    variables: site.info.variables,
    commands: [],
    matrices,
    expectations: judged,
    steps: [],
  }
  const met = judged.filter((j) => j.met).length
  const { lab, fabric: where } = site.info
  const fabric: LabReport['fabric'] = where === 'sim' ? 'sim' : 'kernel'
  const report = { lab, fabric, combinations: [combination], met, missed: judged.length - met }
  const json = reportJson(report, [site.topology])
  process.stdout.write(`${JSON.stringify(json, undefined, 2)}\n`)
}

/**
 * @param verb the subcommand, for a lab that lives in a guest: it is done there
 * @returns the place, or the exit status when it was done
 */
async function openSite(
  named: string | undefined,
  verb: 'matrix' | 'test',
  options: MeasureOptions,
): Promise<Site | number> {
  const state = new LabState()
  const lab = chooseLab(state, named)
  const info = state.info(lab)
  tellFileNote(state, info)
  if (info.fabric === 'uml') {
    const { lanyardInGuest } = await import('./guest-run.ts')
    const json = options.json === true ? ['--json'] : []
    return await lanyardInGuest(info, ['lab', verb, lab, ...json])
  }
  const file = topologyOf(state, info)
  if (info.fabric === 'kernel') {
    const { openKernelSite } = await import('./lab-kernel.ts')
    const { fabric, naming } = await openKernelSite(info)
    return {
      ...{ info, topology: file, names: new Map(), fabric, naming, reason: undefined },
      close: () => fabric.close(),
    }
  }
  const lock = await state.lock(lab)
  try {
    const live = await LiveSim.open(state, lab)
    // A copy: looking leaves no trace in the lab.
    const fabric = live.world.fork()
    const naming = { prefix: '' }
    const { topology, names } = liveTopology(file, await fabric.snapshot())
    const reason = simReason(fabric, naming)
    return { info, topology, names, fabric, naming, reason, close: () => fabric.close() }
  } finally {
    lock.release()
  }
}

/**
 * A simulated lab that is up, for `explain`: namespaces made by hand have their own names there.
 *
 * @throws LanyardError `usage` for a lab on the kernel
 */
export async function openLiveScene(named: string | undefined): Promise<{
  readonly world: SimFabric
  readonly topology: Topology
  readonly source: LabSource
  readonly live: LivePlace
}> {
  const state = new LabState()
  const lab = chooseLab(state, named)
  const info = state.info(lab)
  if (info.fabric !== 'sim') {
    const where = fabricText(info.fabric)
    const sentence = `lab ${lab} is ${where}, and a real kernel gives no reasons: explain its file`
    throw new LanyardError('usage', { sentence, help: `lanyard explain --lab ${info.file}` })
  }
  tellFileNote(state, info)
  const lock = await state.lock(lab)
  try {
    const { world, records } = await LiveSim.open(state, lab)
    const { topology, names } = liveTopology(topologyOf(state, info), await world.snapshot())
    const source = new LabSource(asTyped(info.file), state.text(lab))
    const live = { lab, names, records: records.length }
    return { world, topology: renamed(topology, names, world), source, live }
  } finally {
    lock.release()
  }
}

/** Namespaces made by hand under the names they have at the prompt. */
function renamed(
  topology: Topology,
  names: ReadonlyMap<string, string>,
  world: SimFabric,
): Topology {
  for (const [long, short] of names) world.renameNetns(long, short)
  const hosts = topology.hosts.map((h) => ({ ...h, name: names.get(h.name) ?? h.name }))
  return { ...topology, hosts }
}

/** The combination a lab was made of, from the text of its file as it was then. */
export function topologyOf(state: LabState, info: LabInfo): Topology {
  return topologyFrom(state.text(info.lab), info)
}

export function topologyFrom(text: string, info: LabInfo): Topology {
  const topologies = readLab(new LabSource(info.file, text))
  const wanted = Object.entries(info.variables).map(([name, value]) => [name, String(value)])
  const topology = chooseTopology(topologies, Object.fromEntries(wanted), 'lanyard lab status')
  if (topology === undefined) throw new LanyardError('lab-not-up', { lab: info.lab, known: [] })
  return topology
}

/** A file as somebody here would write it: below this folder without the way to it. */
function asTyped(file: string): string {
  const path = relative('.', file)
  return path.startsWith('..') || isAbsolute(path) ? file : path
}
