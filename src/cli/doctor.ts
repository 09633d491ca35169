/** `lanyard doctor`: looks at this machine, says what it found, the worst first. */
import { type Finding, SEVERITIES, type Severity } from '../doctor/check.ts'
import { bestParent, diagnose } from '../doctor/doctor.ts'
import { doctorJson } from '../doctor/schema.ts'
import type { Paint, Style } from '../lab/paint.ts'
import { wrap } from '../lab/width.ts'
import { readFacts, tryParents } from './doctor-facts.ts'
import { EXIT } from './failure.ts'
import type { PlaceOptions } from './place.ts'
import { painter } from './terminal.ts'

export interface DoctorOptions extends PlaceOptions {
  readonly active?: boolean
  readonly parent: readonly string[]
  readonly json?: boolean
}

/** Something does not work. */
const PROBLEM = 4
const WIDTH = 100
const INDENT = 10

const STYLES: Readonly<Record<Severity, Style>> = {
  problem: 'bad',
  warning: 'bad',
  note: 'dim',
  good: 'good',
}

/** @returns the exit status, by the worst finding */
export async function doctorCommand(options: DoctorOptions): Promise<number> {
  const read = await readFacts(options)
  const best = bestParent(read)
  const wanted = options.parent.length > 0 || best === undefined ? options.parent : [best]
  const active = options.active === true ? await tryParents(read, wanted) : []
  const diagnosis = diagnose({ ...read, active })
  if (options.json === true)
    process.stdout.write(`${JSON.stringify(doctorJson(diagnosis), undefined, 2)}\n`)
  else process.stdout.write(doctorText(diagnosis, painter(process.stdout)))
  return { problem: PROBLEM, warning: EXIT.missed, note: EXIT.ok, good: EXIT.ok }[diagnosis.worst]
}

/** A finding a paragraph, its remedies below it, and one command at the end. */
export function doctorText(
  { findings, next }: { readonly findings: readonly Finding[]; readonly next: string },
  paint: Paint,
): string {
  const lines: string[] = []
  for (const { severity, says, remedy } of findings) {
    const word = paint(STYLES[severity], severity.padEnd(INDENT))
    const [first = '', ...rest] = wrap(says, WIDTH - INDENT)
    lines.push(`${word}${first}`, ...rest.map((line) => ' '.repeat(INDENT) + line))
    for (const text of remedy) {
      const [head = '', ...tail] = wrap(text, WIDTH - INDENT - 2)
      lines.push(`${' '.repeat(INDENT)}${paint('dim', '->')} ${head}`)
      lines.push(...tail.map((line) => ' '.repeat(INDENT + 3) + line))
    }
  }
  const counted = SEVERITIES.flatMap((severity) => {
    const count = findings.filter((one) => one.severity === severity).length
    return count === 0
      ? []
      : [`${count} ${severity}${severity === 'good' || count === 1 ? '' : 's'}`]
  })
  return `${lines.join('\n')}\n\n${counted.join(', ')}\nnext: ${next}\n`
}
