/** `lanyard explain parent LINK`: what a link of this machine is as a parent. Reads only. */
import type { Finding } from '../doctor/check.ts'
import { parentAnswer } from '../doctor/explain-parent.ts'
import { LanyardError } from '../errors.ts'
import { listed, nearest } from '../lab/text.ts'
import { doctorText } from './doctor.ts'
import { readFacts } from './doctor-facts.ts'
import { EXIT } from './failure.ts'
import { placeDefaults } from './place.ts'
import { painter } from './terminal.ts'

/** @returns the exit status: 0 when it can carry children, else 1 */
export async function explainParentCommand(link: string, json: boolean): Promise<number> {
  const facts = await readFacts(placeDefaults())
  const answer = parentAnswer(facts, link)
  if ('known' in answer) {
    const near = nearest(link, answer.known)
    const meant = near === undefined ? '' : ` (did you mean "${near}"?)`
    const sentence = `there is no link ${link} on this host${meant}: there are ${listed(answer.known)}`
    throw new LanyardError('usage', { sentence, help: 'ip -br link' })
  }
  const { findings, next } = answer
  if (json) {
    process.stdout.write(`${JSON.stringify({ link, findings, next }, undefined, 2)}\n`)
  } else process.stdout.write(doctorText({ findings, next }, painter(process.stdout)))
  return findings.some(isTrouble) ? EXIT.missed : EXIT.ok
}

const isTrouble = ({ severity }: Finding): boolean =>
  severity === 'problem' || severity === 'warning'
