/** What a code means: `lanyard explain CODE`. */
import { describeCode, ERROR_CODES, type ErrorCode, LanyardError } from '../errors.ts'
import { CAUSE_CODES, CAUSES, type CauseCode } from '../explain/causes.ts'
import { remediesOf } from '../explain/catalog.ts'
import { TEXTS } from '../explain/texts.ts'
import { REASON_CODES, REASONS, type ReasonCode } from '../fabric/reason.ts'
import { sampleError } from './error-sample.ts'
import type { Paint } from './paint.ts'
import { didYouMean } from './text.ts'

type Code = CauseCode | ReasonCode | ErrorCode

/** The code that is meant, however it is written; `undefined` when there is none like it. */
function codeOf(typed: string): Code | undefined {
  const upper = typed.toUpperCase()
  const lower = typed.toLowerCase()
  const all: readonly Code[] = [...CAUSE_CODES, ...REASON_CODES, ...ERROR_CODES]
  return all.find((code) => code === upper || code === lower)
}

export const isCode = (typed: string): boolean => codeOf(typed) !== undefined

/**
 * Of a cause or reason the rule and what mends it; of an error how it reads; of both what others
 * say for the same.
 *
 * @throws LanyardError `usage` for a code there is not
 */
export function codeText(typed: string, paint: Paint): string {
  const code = codeOf(typed)
  if (code === undefined) {
    const near =
      didYouMean(typed.toUpperCase(), [...CAUSE_CODES, ...REASON_CODES]) ||
      didYouMean(typed, ERROR_CODES)
    const sentence = `there is no code "${typed}"${near}; to explain a pair, name both ends`
    throw new LanyardError('usage', { sentence, help: 'lanyard explain --help' })
  }
  const lines = isError(code) ? errorLines(code, paint) : ruleLines(code, paint)
  const others = Object.values(TEXTS).filter((row) => row.codes.includes(code))
  return [
    ...lines,
    ...others.flatMap((row) =>
      row.texts.slice(0, 1).map((text) => `  says    ${text}  (${row.from})`),
    ),
  ].join('\n')
}

const isError = (code: Code): code is ErrorCode => (ERROR_CODES as readonly string[]).includes(code)

function ruleLines(code: CauseCode | ReasonCode, paint: Paint): string[] {
  const isCause = (CAUSE_CODES as readonly string[]).includes(code)
  const { says, kernel } = isCause ? CAUSES[code as CauseCode] : REASONS[code as ReasonCode]
  const remedies = isCause ? CAUSES[code as CauseCode].remedies : remediesOf(code as ReasonCode)
  return [
    `${paint('title', code)}: ${says}`,
    `  kernel  ${paint('dim', kernel)}`,
    ...mends(remedies),
  ]
}

function errorLines(code: ErrorCode, paint: Paint): string[] {
  const { message, mend } = sampleError(code)
  const { status, errno } = describeCode(code)
  return [
    `${paint('title', code)}: ${message}`,
    `  errno   ${paint('dim', `${errno ?? 'none'}, HTTP ${status}`)}`,
    ...mends(mend === undefined ? [] : [mend]),
  ]
}

const mends = (remedies: readonly string[]): string[] =>
  remedies.map((text, i) => `  ${i === 0 ? 'mend  ' : '      '}  ${text}`)
