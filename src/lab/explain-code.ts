/** What a code means: `lanyard explain CODE`. */
import { LanyardError } from '../errors.ts'
import { CAUSE_CODES, CAUSES, type CauseCode } from '../explain/causes.ts'
import { remediesOf } from '../explain/catalog.ts'
import { REASON_CODES, REASONS, type ReasonCode } from '../fabric/reason.ts'
import type { Paint } from './paint.ts'
import { didYouMean } from './text.ts'

/** @throws LanyardError `usage` for a code there is not */
export function codeText(typed: string, paint: Paint): string {
  const code = typed.toUpperCase()
  const isCause = (CAUSE_CODES as readonly string[]).includes(code)
  const known = isCause || (REASON_CODES as readonly string[]).includes(code)
  if (!known) {
    const sentence =
      `there is no code "${typed}"${didYouMean(code, [...CAUSE_CODES, ...REASON_CODES])}; ` +
      'to explain a pair, name both ends'
    throw new LanyardError('usage', { sentence, help: 'lanyard explain --help' })
  }
  const { says, kernel } = isCause ? CAUSES[code as CauseCode] : REASONS[code as ReasonCode]
  const remedies = isCause ? CAUSES[code as CauseCode].remedies : remediesOf(code as ReasonCode)
  return [
    `${paint('title', code)}: ${says}`,
    `  kernel  ${paint('dim', kernel)}`,
    ...remedies.map((text, i) => `  ${i === 0 ? 'mend  ' : '      '}  ${text}`),
  ].join('\n')
}
