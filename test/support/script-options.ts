/** Words on the command line of the scripts of the tests (`npm run NAME -- --option value`). */
import { parseArgs, type ParseArgsConfig } from 'node:util'

type Options = NonNullable<ParseArgsConfig['options']>

/** The options that were given; a wrong one ends the script with one sentence and its usage. */
export function scriptOptions<const T extends Options>(usage: string, options: T) {
  try {
    return parseArgs({ options }).values
  } catch (error) {
    // The first sentence says what is wrong, the others how parseArgs would have it.
    const [why = ''] = (error instanceof Error ? error.message : String(error)).split('. ')
    return refuseScript(usage, why)
  }
}

/** A whole number, 1 or more. */
export function wholeNumber(usage: string, name: string, text: string): number {
  const number = Number(text)
  if (Number.isSafeInteger(number) && number > 0) return number
  return refuseScript(usage, `--${name} is a whole number from 1 on, not "${text}"`)
}

export function refuseScript(usage: string, why: string): never {
  process.stderr.write(`${why}\n${usage}\n`)
  process.exit(2)
}
