/**
 * `--fix N` on a live host: the plan is shown, asked about, done, and tried on the real wire. What
 * does not help is taken back, and so is what cuts the host off from its gateway.
 *
 * A crash in the middle leaves what was done up to then; the lines that take it back were printed
 * before.
 */
import { createInterface } from 'node:readline/promises'
import { formatIp, type Ip } from '../addr/ip.ts'
import { LanyardError } from '../errors.ts'
import { isElsewhere } from '../explain/live.ts'
import { probeOf, type Question } from '../explain/question.ts'
import { resultText } from '../explain/reality.ts'
import type { Remedy } from '../explain/types.ts'
import type { ProbeResult } from '../fabric/fabric.ts'
import type { Plan } from '../fabric/plan.ts'
import { printPlan } from '../fabric/print-ip.ts'
import { undoPlan } from '../fabric/undo.ts'
import type { KernelFabric } from '../kernel/fabric.ts'
import { EXIT } from './failure.ts'
import { painter } from './terminal.ts'

const PROBE_MS = 1000
const ATTEMPTS = 4

/** @returns the exit status */
export async function applyLive(
  kernel: KernelFabric,
  remedy: Remedy,
  question: Question,
  yes: boolean,
): Promise<number> {
  const paint = painter(process.stdout)
  const say = (text: string): void => void process.stdout.write(`${text}\n`)
  if (isElsewhere(remedy)) {
    throw usage(
      `"${remedy.title}" is not this machine's to do: do it there, then ask again with --assume`,
    )
  }
  say(`\n${paint('title', `to do: ${remedy.title}`)}`)
  for (const line of printPlan(remedy.plan)) say(`  ${line}`)
  say(paint('dim', 'the way back'))
  for (const line of printPlan(remedy.undo)) say(paint('dim', `  ${line}`))
  if (!yes && !(await confirmed())) {
    say('nothing was changed')
    return EXIT.missed
  }
  const stop = stopFlag()
  try {
    const gateways = await answeringGateways(kernel)
    await apply(kernel, remedy.plan)
    const result = await tryRepeatedly(kernel, question, stop)
    const lost = await lostGateway(kernel, gateways)
    if (result?.outcome === 'reply' && lost === undefined && !stop.asked) {
      say(
        `${paint('good', 'verified')}: ${question.protocol === 'icmp' ? 'ping ' : ''}ok: it ${resultText(result)}`,
      )
      return EXIT.ok
    }
    await kernel.apply(remedy.undo)
    const why = stop.asked
      ? 'it was stopped'
      : lost === undefined
        ? `on the real wire it ${result === undefined ? 'was not tried' : resultText(result)}`
        : `gateway ${formatIp(lost)} no longer answered`
    say(`${paint('bad', 'taken back')}: ${why}`)
    return stop.asked ? EXIT.stopped : EXIT.missed
  } finally {
    stop.close()
  }
}

/** Does the whole plan or nothing of it. */
async function apply(kernel: KernelFabric, plan: Plan): Promise<void> {
  const touched = [...new Set(plan.map((op) => op.netns))]
  const before = await kernel.snapshot({ netns: touched })
  try {
    await kernel.apply(plan)
  } catch (error) {
    const detail = error instanceof LanyardError ? error.detail : undefined
    const done =
      typeof detail === 'object' && detail !== null && 'index' in detail ? Number(detail.index) : 0
    await kernel.apply(undoPlan(plan.slice(0, done), before).plan, { keepGoing: true })
    throw error
  }
  await kernel.settle({ netns: touched })
}

async function tryRepeatedly(
  kernel: KernelFabric,
  question: Question,
  stop: { readonly asked: boolean },
): Promise<ProbeResult | undefined> {
  let result: ProbeResult | undefined
  for (let attempt = 0; attempt < ATTEMPTS && !stop.asked; attempt++) {
    ;[result] = await kernel.probe([{ ...probeOf(question), timeoutMs: PROBE_MS }])
    if (result?.outcome === 'reply') return result
  }
  return result
}

/** Gateways of the host itself that answer now: they must answer afterwards. */
async function answeringGateways(kernel: KernelFabric): Promise<Ip[]> {
  const { netns } = await kernel.snapshot({ netns: [''] })
  const routes = netns[0]?.routes.filter((r) => r.to.length === 0 && r.via !== undefined) ?? []
  const all = [...new Set(routes.flatMap((r) => (r.via === undefined ? [] : [r.via])))]
  const usable = all.filter((ip) => typeof ip === 'number')
  const results = await kernel.probe(
    usable.map((to) => ({ protocol: 'icmp', from: '', to, timeoutMs: PROBE_MS })),
  )
  return usable.filter((_, i) => results[i]?.outcome === 'reply')
}

async function lostGateway(kernel: KernelFabric, gateways: readonly Ip[]): Promise<Ip | undefined> {
  let silent = gateways
  for (let attempt = 0; attempt < ATTEMPTS && silent.length > 0; attempt++) {
    const results = await kernel.probe(
      silent.map((to) => ({ protocol: 'icmp', from: '', to, timeoutMs: PROBE_MS })),
    )
    silent = silent.filter((_, i) => results[i]?.outcome !== 'reply')
  }
  return silent[0]
}

async function confirmed(): Promise<boolean> {
  if (!process.stdin.isTTY) throw usage('nobody is there to be asked: say --yes to do it')
  const asking = createInterface({ input: process.stdin, output: process.stdout })
  try {
    return /^y(?:es)?$/i.test((await asking.question('do it? [y/N] ')).trim())
  } finally {
    asking.close()
  }
}

/** Whether somebody wants it to end: then what was done is taken back first. */
function stopFlag(): { readonly asked: boolean; close(): void } {
  const state = {
    asked: false,
    close() {
      for (const signal of SIGNALS) process.off(signal, listener)
    },
  }
  const listener = (): void => {
    state.asked = true
  }
  for (const signal of SIGNALS) process.on(signal, listener)
  return state
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

function usage(sentence: string): LanyardError {
  return new LanyardError('usage', { sentence, help: 'lanyard explain --help' })
}
