/** Plays transcripts and counts: printed as the seed says, printed otherwise, left out. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { LeftOut } from './left-out.ts'
import { comparable, printedAs, readTranscript, type Step } from './transcript.ts'

export interface Printed {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Who types: on the simulator, or on a kernel. */
export interface Typist {
  readonly type: (node: string, line: string, inside: boolean) => Promise<Printed>
  /** What is missing here for a line; undefined where nothing is. */
  readonly why: (line: string, inside: boolean) => string | undefined
  readonly close: () => Promise<void>
}

export interface Played {
  readonly step: Step
  readonly result: 'as printed' | 'differs' | 'left out'
  readonly why: string
}

export const SEEDS: readonly string[] = ['000', '001', '002', '003', '004']

/** @param onStep told of each step as it is done */
export async function playSeed(
  name: string,
  open: (lab: string) => Promise<Typist>,
  onStep?: (played: Played) => void,
): Promise<Played[]> {
  const text = (ending: string): string =>
    readFileSync(join(process.cwd(), 'test/seeds', `${name}.${ending}`), 'utf8')
  const typist = await open(text('yaml'))
  const played: Played[] = []
  const leftOut = new LeftOut()
  try {
    for (const step of readTranscript(text('txt'))) {
      const one = await playStep(typist, step, leftOut)
      played.push(one)
      onStep?.(one)
    }
  } finally {
    await typist.close()
  }
  return played
}

async function playStep(typist: Typist, step: Step, leftOut: LeftOut): Promise<Played> {
  const missing = typist.why(step.line, step.inside)
  if (missing !== undefined) leftOut.add(step)
  const why = step.skip ?? missing ?? leftOut.why(step)
  if (why !== undefined) return { step, result: 'left out', why }
  const out = await typist.type(step.node, step.line, step.inside)
  const text = `${out.stdout}\n${out.stderr}`
  // A terminal shows them as they come: a tool may have complained first.
  const texts = [text, `${out.stderr}\n${out.stdout}`]
  if (out.code === step.status && texts.some((one) => printedAs(one, step.want))) {
    return { step, result: 'as printed', why: '' }
  }
  const have = comparable(text).map((line) => `    have ${line}\n`)
  const want = step.want.map((line) => `    want ${comparable(line)[0] ?? ''}\n`)
  const status = `    status ${out.code}, wanted ${step.status}\n`
  return { step, result: 'differs', why: `\n${status}${want.join('')}${have.join('')}` }
}
