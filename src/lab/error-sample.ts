/** An error of the table as it would say itself, with `<word>` where it names something. */
import { type ErrorCode, LanyardError } from '../errors.ts'

const TEXT_METHODS = ['trim', 'toLowerCase', 'toUpperCase', 'padStart', 'padEnd', 'replace']

/**
 * @example
 * ```ts
 * sampleError('netns-missing').message // network namespace "<netns>" does not exist
 * ```
 */
export function sampleError(code: ErrorCode): LanyardError {
  // Every property of this detail is its own name in angle brackets.
  return new LanyardError(code, placeholder('detail') as never)
}

/**
 * Stands for a value nobody has: as text it is `<name>`, its properties are named after themselves,
 * as a list it has itself for its one element, and what methods of lists and strings return is it.
 */
function placeholder(name: string): unknown {
  return new Proxy(() => name, {
    get: (_, key) => {
      if (key === Symbol.toPrimitive || key === 'toString') return () => `<${name}>`
      if (key === Symbol.iterator) return () => [placeholder(name)].values()
      if (key === 'length') return 2
      if (typeof key === 'symbol') return undefined
      if (key === 'map') return (f: (item: unknown) => unknown) => [f(placeholder(name))]
      if (key in Array.prototype || TEXT_METHODS.includes(key)) return () => placeholder(name)
      return placeholder(key)
    },
  })
}
