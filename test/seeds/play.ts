/** Plays transcripts and counts: printed as the seed says, printed otherwise, left out. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
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

export async function playSeed(
  name: string,
  open: (lab: string) => Promise<Typist>,
): Promise<Played[]> {
  const text = (ending: string): string =>
    readFileSync(join(process.cwd(), 'test/seeds', `${name}.${ending}`), 'utf8')
  const typist = await open(text('yaml'))
  const played: Played[] = []
  try {
    for (const step of readTranscript(text('txt'))) played.push(await playStep(typist, step))
  } finally {
    await typist.close()
  }
  return played
}

async function playStep(typist: Typist, step: Step): Promise<Played> {
  const why = step.skip ?? typist.why(step.line, step.inside)
  if (why !== undefined) return { step, result: 'left out', why }
  const out = await typist.type(step.node, step.line, step.inside)
  const text = `${out.stdout}\n${out.stderr}`
  if (out.code === step.status && printedAs(text, step.want)) {
    return { step, result: 'as printed', why: '' }
  }
  const have = comparable(text).map((line) => `    have ${line}\n`)
  const want = step.want.map((line) => `    want ${comparable(line)[0] ?? ''}\n`)
  const status = `    status ${out.code}, wanted ${step.status}\n`
  return { step, result: 'differs', why: `\n${status}${want.join('')}${have.join('')}` }
}
