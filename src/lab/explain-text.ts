/** What a pasted error text means: `lanyard explain "TEXT"`. */
import { LanyardError } from '../errors.ts'
import { fillIn, recognise, type Recognised } from '../explain/recognise.ts'
import type { Paint } from './paint.ts'
import { wrap } from './width.ts'

const WIDTH = 100
const INDENT = 10

/** The texts known that fit, the best first. @throws LanyardError `usage` when there is none */
export function textsFor(pasted: string): readonly Recognised[] {
  const found = recognise(pasted)
  if (found.length > 0) return found
  const sentence =
    'no error text like this is known: paste it as it was printed, in quotes; to explain a ' +
    'pair, name both ends'
  throw new LanyardError('usage', { sentence, help: 'lanyard doctor' })
}

export function textMeaning(found: readonly Recognised[], paint: Paint): string {
  return found.map((one) => meaningOf(one, paint)).join('\n\n')
}

function meaningOf({ row, text, words }: Recognised, paint: Paint): string {
  const line = (label: string, said: string): string[] => {
    const [first = '', ...rest] = wrap(said, WIDTH - INDENT)
    return [`  ${label.padEnd(INDENT - 2)}${first}`, ...rest.map((l) => ' '.repeat(INDENT) + l)]
  }
  return [
    paint('title', fillIn(text, words)),
    ...line('said by', row.from),
    ...line('means', row.means),
    ...(row.codes.length === 0 ? [] : line('ours', row.codes.join(', '))),
    ...row.mends.flatMap((mend, i) => line(i === 0 ? 'mend' : '', fillIn(mend, words))),
  ].join('\n')
}

/** For programs. */
export function textJson(found: readonly Recognised[]): object {
  return {
    texts: found.map(({ id, row, text, score, words }) => ({
      id,
      text,
      score: Math.round(score * 100) / 100,
      from: row.from,
      means: row.means,
      codes: row.codes,
      mends: row.mends.map((mend) => fillIn(mend, words)),
    })),
  }
}
