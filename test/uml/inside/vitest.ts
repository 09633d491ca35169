/**
 * As much of vitest as our kernel tests use, to run them inside User Mode Linux: the runner itself
 * is native code that takes wide registers for granted, which guests may not have
 * (docs/lab-notes/2026-11-20-uml-on-amx.md). Expectations are vitest's own.
 */
import { chai } from 'vitest'

const matchers = Reflect.get(globalThis, Symbol.for('asymmetric-matchers-object')) as object
const plainExpect = (value: unknown, message?: string): unknown => chai.expect(value, message)
export const expect = Object.assign(plainExpect, chai.expect, matchers)

type Step = () => unknown

interface Suite {
  readonly name: string
  readonly skip: boolean
  readonly parent: Suite | undefined
  readonly hooks: Record<'beforeAll' | 'beforeEach' | 'afterEach' | 'afterAll', Step[]>
}

interface Test {
  readonly name: string
  readonly suite: Suite
  readonly skip: boolean
  readonly body: Step
}

/** What came of one test. */
export interface Outcome {
  readonly name: string
  readonly outcome: 'passed' | 'failed' | 'skipped'
  readonly message?: string
  readonly ms: number
}

const TIMEOUT_MS = 600_000

const tests: Test[] = []
let suite: Suite = newSuite('', false, undefined)

function newSuite(name: string, skip: boolean, parent: Suite | undefined): Suite {
  const hooks = { beforeAll: [], beforeEach: [], afterEach: [], afterAll: [] }
  return { name, skip: skip || parent?.skip === true, parent, hooks }
}

function addTest(name: string, body: Step, skip: boolean): void {
  tests.push({ name, suite, skip: skip || suite.skip, body })
}

function addSuite(name: string, body: () => void, skip: boolean): void {
  const outer = suite
  suite = newSuite(name, skip, outer)
  body()
  suite = outer
}

type Adder<B> = ((name: string, body: B) => void) & {
  skip(name: string, body: B): void
  skipIf(skip: boolean): (name: string, body: B) => void
}

function adder<B>(add: (name: string, body: B, skip: boolean) => void): Adder<B> {
  return Object.assign((name: string, body: B) => add(name, body, false), {
    skip: (name: string, body: B) => add(name, body, true),
    skipIf: (skip: boolean) => (name: string, body: B) => add(name, body, skip),
  })
}

export const test = adder<Step>(addTest)
export const describe = adder<() => void>(addSuite)
export const beforeAll = (step: Step): unknown => suite.hooks.beforeAll.push(step)
export const beforeEach = (step: Step): unknown => suite.hooks.beforeEach.push(step)
export const afterEach = (step: Step): unknown => suite.hooks.afterEach.push(step)
export const afterAll = (step: Step): unknown => suite.hooks.afterAll.push(step)

/** From the outermost suite to the innermost. */
function chain(inner: Suite): Suite[] {
  return inner.parent === undefined ? [inner] : [...chain(inner.parent), inner]
}

/**
 * Runs what the files imported so far have added, and forgets it.
 *
 * @param atOnce how many tests may run side by side (those that share nothing)
 * @param onOutcome told of each as it ends
 */
export async function runTests(
  atOnce: number,
  onOutcome: (outcome: Outcome) => void,
): Promise<Outcome[]> {
  const mine = tests.splice(0)
  const root = suite
  suite = newSuite('', false, undefined)
  const begun = new Set<Suite>()
  const outcomes: Outcome[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    for (let at = next++; at < mine.length; at = next++) {
      const outcome = await runTest(mine[at] as Test, begun)
      outcomes[at] = outcome
      onOutcome(outcome)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  for (const one of new Set([...begun, root])) for (const step of one.hooks.afterAll) await step()
  return outcomes
}

async function runTest(one: Test, begun: Set<Suite>): Promise<Outcome> {
  const suites = chain(one.suite)
  const name = [...suites.map((s) => s.name), one.name].filter((word) => word !== '').join(' > ')
  if (one.skip) return { name, outcome: 'skipped', ms: 0 }
  const started = performance.now()
  let message = ''
  const attempt = async (step: Step): Promise<void> => {
    try {
      await within(step)
    } catch (error) {
      message += `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`
    }
  }
  for (const s of suites) {
    if (begun.has(s)) continue
    begun.add(s)
    for (const step of s.hooks.beforeAll) await attempt(step)
  }
  for (const s of suites) for (const step of s.hooks.beforeEach) await attempt(step)
  if (message === '') await attempt(one.body)
  for (const s of suites.toReversed()) for (const step of s.hooks.afterEach) await attempt(step)
  const ms = performance.now() - started
  return message === '' ? { name, outcome: 'passed', ms } : { name, outcome: 'failed', message, ms }
}

async function within(step: Step): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${TIMEOUT_MS} ms`)), TIMEOUT_MS)
  })
  try {
    await Promise.race([step(), late])
  } finally {
    clearTimeout(timer)
  }
}
