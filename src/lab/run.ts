/**
 * Runs a lab on a {@link Fabric}: make, measure, judge, remove.
 *
 * Whatever happens (a refused op, a missed expectation, a stop), what was made is removed again.
 * A process killed in between leaves its namespaces behind; on a kernel the caller writes down
 * their names before the run (`onPlan`) and removes them later.
 */
import { LanyardError } from '../errors.ts'
import type { CapturedFrame, Closer, Fabric } from '../fabric/fabric.ts'
import type { Op, Plan } from '../fabric/plan.ts'
import { printOp } from '../fabric/print-ip.ts'
import { changes } from './changes.ts'
import { netnsPrefix } from './identity.ts'
import { askedPairs, type Judged, judge, matrixNodes, matrixPairs } from './judge.ts'
import { BRIDGE, type Naming, namespacesOf, planDown, planLab } from './plan.ts'
import { type Cell, type FindReason, type Pair, Prober } from './probing.ts'
import type { Expectation, RunLine, Topology } from './topology.ts'
import type { Variables } from './expression.ts'

/** What a shell left: src/shell fulfils it. */
export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  /** Name of the lab file, for messages. */
  readonly file: string
  /** The fabric of a combination: a world of its own when simulated, else the one machine. */
  readonly open: (combination: number) => Promise<Fabric>
  /** Combinations that run at the same time; they never share a node. */
  readonly atOnce: number
  /** Checked between any two steps; an `AbortSignal` fits. */
  readonly signal: { readonly aborted: boolean }
  /** Lets the program look at signals; the simulator alone would never give it the time. */
  readonly breathe: () => Promise<void>
  /** Runs a command line in a namespace. */
  readonly command: (fabric: Fabric, netns: string, line: string) => Promise<CommandResult>
  /** How to find the reason of a failed ping; undefined on a fabric that knows none. */
  readonly reason?: (fabric: Fabric, naming: Naming) => FindReason | undefined
  /** Gets every frame of every link of a combination. */
  readonly capture?: (combination: number, fabric: Fabric) => FrameSink
}

export interface FrameSink {
  /** Announces a link, before any frame. */
  link(node: string, link: string): void
  frame(node: string, link: string, frame: CapturedFrame): void
  /** Called once, when the combination is over. */
  end(): Promise<void>
}

export interface CommandReport extends CommandResult {
  readonly node: string
  readonly command: string
  readonly line: number
}

export interface MatrixReport {
  readonly family: 4 | 6
  readonly nodes: readonly string[]
  readonly cells: readonly Cell[]
}

export interface StepReport {
  readonly name: string
  readonly line: number
  readonly commands: readonly CommandReport[]
  readonly cells: readonly Cell[]
  readonly expectations: readonly Judged[]
}

export interface CombinationReport {
  readonly variables: Variables
  readonly commands: readonly CommandReport[]
  readonly matrices: readonly MatrixReport[]
  readonly expectations: readonly Judged[]
  readonly steps: readonly StepReport[]
}

export interface LabReport {
  readonly lab: string
  readonly fabric: 'sim' | 'kernel'
  readonly combinations: readonly CombinationReport[]
  readonly met: number
  readonly missed: number
}

/** How the namespaces of a combination are called: bare node names when simulated. */
export function namingOf(kind: Fabric['kind'], lab: string, number: number, of: number): Naming {
  if (kind === 'sim') return { prefix: '' }
  return { prefix: netnsPrefix(lab, of > 1 ? number : undefined) }
}

/**
 * Runs every combination of a lab.
 *
 * @throws LanyardError `op-refused` when the fabric refuses to make it, `lab-command-failed` for a
 *   command line that ends with another status than 0, `lab-stopped` after a stop
 * @throws AggregateError when the removal failed too
 */
export async function runLab(
  topologies: readonly Topology[],
  options: RunOptions,
): Promise<LabReport> {
  const reports: CombinationReport[] = []
  let kind: Fabric['kind'] = 'sim'
  let next = 0
  const failures: unknown[] = []
  const worker = async (): Promise<void> => {
    while (next < topologies.length && failures.length === 0) {
      const at = next++
      try {
        const fabric = await options.open(at + 1)
        kind = fabric.kind
        reports[at] = await runCombination(topologies, at, fabric, options)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  const workers = Math.min(options.atOnce, topologies.length)
  await Promise.all(Array.from({ length: workers }, worker))
  if (failures.length > 0) throw onlyOne(failures)
  const judged = reports.flatMap((r) => [
    ...r.expectations,
    ...r.steps.flatMap((s) => s.expectations),
  ])
  const met = judged.filter((j) => j.met).length
  return {
    lab: topologies[0]?.lab ?? '',
    fabric: kind,
    combinations: reports,
    met,
    missed: judged.length - met,
  }
}

/** Several combinations that fail for one reason are one failure. */
function onlyOne(failures: readonly unknown[]): unknown {
  const [first] = failures
  const same = failures.every((f) => String(f) === String(first) || isStop(f))
  return same
    ? (failures.find((f) => !isStop(f)) ?? first)
    : new AggregateError(failures, 'the lab failed')
}

function isStop(error: unknown): boolean {
  return error instanceof LanyardError && error.code === 'lab-stopped'
}

async function runCombination(
  topologies: readonly Topology[],
  at: number,
  fabric: Fabric,
  options: RunOptions,
): Promise<CombinationReport> {
  const topology = topologies[at] as Topology
  const naming = namingOf(fabric.kind, topology.lab, at + 1, topologies.length)
  const run = new Run(topology, at + 1, fabric, naming, options)
  let report: CombinationReport | undefined
  const failures: unknown[] = []
  try {
    report = await run.measure()
  } catch (error) {
    failures.push(error)
  }
  failures.push(...(await run.remove()))
  if (failures.length === 1) throw failures[0]
  if (failures.length > 1)
    throw new AggregateError(failures, 'the lab failed, and so did its removal')
  return report as CombinationReport
}

/** One combination, from its first namespace to its last. */
class Run {
  readonly #fabric: Fabric
  readonly #naming: Naming
  readonly #options: RunOptions
  readonly #number: number
  readonly #closers: Closer[] = []
  #sink: FrameSink | undefined
  #made: string[] = []
  #topology: Topology
  /** When the lab was made, on the fabric's clock. */
  #madeNs = 0

  constructor(
    topology: Topology,
    number: number,
    fabric: Fabric,
    naming: Naming,
    options: RunOptions,
  ) {
    this.#topology = topology
    this.#number = number
    this.#fabric = fabric
    this.#naming = naming
    this.#options = options
  }

  async measure(): Promise<CombinationReport> {
    const topology = this.#topology
    await this.#make()
    await this.#capture()
    const commands = await this.#commands(
      [...topology.hosts, ...topology.containers].flatMap((n) => n.run),
    )
    if (commands.length > 0) await this.#settle()
    const prober = this.#prober()
    const matrices: MatrixReport[] = []
    for (const family of [4, 6] as const) {
      const nodes = matrixNodes(topology, family).map((n) => n.name)
      if (nodes.length < 2) continue
      const cells = await prober.cells(matrixPairs(topology, family), () => this.#stop())
      matrices.push({ family, nodes, cells })
    }
    const { judged } = await this.#judge(prober, topology.expect)
    const steps = await this.#steps()
    return { variables: topology.variables, commands, matrices, expectations: judged, steps }
  }

  /** Removes what was made; gives every failure on the way. */
  async remove(): Promise<unknown[]> {
    const failures: unknown[] = []
    for (const closer of this.#closers) {
      try {
        closer.close()
      } catch (error) {
        failures.push(error)
      }
    }
    try {
      const outcomes = await this.#fabric.apply(planDown(this.#made), { keepGoing: true })
      for (const outcome of outcomes) {
        if (!outcome.ok)
          failures.push(refusal(outcome.op, outcome.errno, outcome.extack, outcome.index))
      }
      await this.#sink?.end()
    } catch (error) {
      failures.push(error)
    }
    return failures
  }

  async #make(): Promise<void> {
    await this.#stop()
    // Namespaces one by one: only what this run made is ever removed.
    const plan = planLab(this.#topology, this.#naming)
    const isSpace = (op: Op) => op.do === 'netns.add'
    for (const op of plan.filter(isSpace)) {
      await this.#apply([op])
      this.#made.push(op.netns)
    }
    await this.#stop()
    await this.#apply(plan.filter((op) => !isSpace(op)))
    for (const { name, listen } of [...this.#topology.hosts, ...this.#topology.containers]) {
      for (const service of listen) {
        this.#closers.push(await this.#fabric.listen(`${this.#naming.prefix}${name}`, service))
      }
    }
    await this.#settle()
    this.#madeNs = this.#fabric.clock.nowNs()
  }

  /** Waits for the time of a step; one that is past already begins at once. */
  async #until(atMs: number): Promise<void> {
    const { clock } = this.#fabric
    for (;;) {
      await this.#stop()
      const left = atMs - (clock.nowNs() - this.#madeNs) / 1e6
      if (left <= 0) return
      // In pieces, so that a stop is heard.
      await clock.sleep(Math.min(left, 100))
    }
  }

  #apply(plan: Plan): Promise<void> {
    return applyPlan(this.#fabric, plan)
  }

  async #settle(): Promise<void> {
    await this.#stop()
    await this.#fabric.settle({ netns: this.#made })
  }

  #prober(): Prober {
    const reason = this.#options.reason?.(this.#fabric, this.#naming)
    return new Prober(this.#fabric, this.#naming, this.#topology, reason)
  }

  async #judge(
    prober: Prober,
    expectations: readonly Expectation[],
  ): Promise<{ judged: Judged[]; cells: Cell[] }> {
    const judged: Judged[] = []
    const all = new Set<Cell>()
    for (const expectation of expectations) {
      const asked = askedPairs(this.#topology, expectation)
      const pairs = asked.filter((a): a is Pair => typeof a !== 'string')
      const cells = await prober.cells(pairs, () => this.#stop())
      judged.push(judge(expectation, asked, cells))
      for (const cell of cells) all.add(cell)
    }
    return { judged, cells: [...all] }
  }

  async #steps(): Promise<StepReport[]> {
    const reports: StepReport[] = []
    for (const step of this.#topology.steps) {
      if (step.atMs !== undefined) await this.#until(step.atMs)
      if (step.becomes !== undefined) {
        const change = changes(this.#topology, step.becomes, this.#naming)
        if (change.ok) await this.#apply(change.plan)
        this.#topology = { ...step.becomes, steps: this.#topology.steps }
      }
      const commands = await this.#commands(step.run)
      await this.#settle()
      const { judged, cells } = await this.#judge(this.#prober(), step.expect)
      reports.push({ name: step.name, line: step.line, commands, cells, expectations: judged })
    }
    return reports
  }

  async #commands(lines: readonly RunLine[]): Promise<CommandReport[]> {
    const reports: CommandReport[] = []
    for (const { node, text, line } of lines) {
      await this.#stop()
      const result = await this.#options.command(
        this.#fabric,
        `${this.#naming.prefix}${node}`,
        text,
      )
      if (result.code !== 0) {
        throw new LanyardError('lab-command-failed', {
          file: this.#options.file,
          line,
          node,
          command: text,
          status: result.code,
          output: (result.stderr || result.stdout).trim() || 'it printed nothing',
        })
      }
      reports.push({ node, command: text, line, ...result })
    }
    return reports
  }

  async #capture(): Promise<void> {
    const sink = this.#options.capture?.(this.#number, this.#fabric)
    if (sink === undefined) return
    this.#sink = sink
    const links = linksOf(this.#topology)
    for (const { node, link } of links) sink.link(node, link)
    for (const { node, link } of links) {
      const netns = `${this.#naming.prefix}${node}`
      const port = await this.#fabric.openPort(netns, link, (frame) =>
        sink.frame(node, link, frame),
      )
      this.#closers.push(port)
    }
  }

  async #stop(): Promise<void> {
    await this.#options.breathe()
    if (this.#options.signal.aborted)
      throw new LanyardError('lab-stopped', { lab: this.#topology.lab })
  }
}

/**
 * Does a lab's plan; a refusal names the op in the words of `ip`.
 *
 * @throws LanyardError `op-refused`, `kernel-lacks`
 */
export async function applyPlan(fabric: Fabric, plan: Plan): Promise<void> {
  try {
    await fabric.apply(plan)
  } catch (error) {
    const refused = error instanceof LanyardError && error.code === 'op-refused'
    const detail = refused ? (error as LanyardError<'op-refused'>).detail : undefined
    const op = plan[detail?.index ?? -1]
    if (detail === undefined || op === undefined) throw error
    const what = lackedFor(op, detail.errno, detail.message)
    if (what !== undefined) {
      const { message } = detail
      const said = { what, op: printOp(op)[0] ?? '', message }
      throw new LanyardError('kernel-lacks', said, { cause: error })
    }
    throw new LanyardError(
      'op-refused',
      { ...detail, op: printOp(op).join('; ') },
      { cause: error },
    )
  }
}

/** What a kernel lacks that does not support an op of a good lab. */
function lackedFor(op: Op, errno: string, message: string): string | undefined {
  const unknown = errno === 'ENOENT' && message.startsWith('Specified qdisc kind is unknown')
  if (errno !== 'EOPNOTSUPP' && !unknown) return undefined
  if (op.do === 'qdisc.add') return 'module sch_netem (CONFIG_NET_SCH_NETEM)'
  if (op.do !== 'link.add') return undefined
  const { kind } = op.spec
  if (kind === 'bridge') return 'VLAN filtering of bridges (CONFIG_BRIDGE_VLAN_FILTERING)'
  return `module ${kind === 'vlan' ? '8021q' : kind}`
}

function refusal(op: Op, errno: string, extack: string | undefined, index: number): LanyardError {
  const message = extack ?? 'refused'
  return new LanyardError('op-refused', { op: printOp(op).join('; '), errno, message, index })
}

/** Every link a lab makes. */
export function linksOf(topology: Topology): { node: string; link: string }[] {
  const open = new Set(namespacesOf(topology))
  return [
    ...topology.switches.flatMap((s) => [
      { node: s.name, link: BRIDGE },
      ...s.ports.filter((p) => p.peer !== undefined).map((p) => ({ node: s.name, link: p.name })),
    ]),
    ...topology.hosts.flatMap((h) =>
      [...h.nics, ...h.uppers, ...h.shims].map((l) => ({ node: h.name, link: l.name })),
    ),
    ...topology.containers.flatMap((c) => c.children.map((l) => ({ node: c.name, link: l.name }))),
  ].filter((l) => open.has(l.node))
}
