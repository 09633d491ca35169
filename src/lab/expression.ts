/**
 * Conditions over the matrix variables: `mode == 'vepa' && hairpin`. Values are text, numbers and
 * booleans; operators `==` `!=` `&&` `||` `!` and parentheses.
 */
import { didYouMean, listed } from './text.ts'

export type Value = string | number | boolean
export type Variables = Readonly<Record<string, Value>>

/** What a condition gives, or the sentence that says what is wrong with it. */
export type Evaluated =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly sentence: string }

const TOKEN = /\s*(?:(==|!=|&&|\|\||!|\(|\))|'([^']*)'|"([^"]*)"|([A-Za-z0-9_.-]+))/y

interface Token {
  readonly kind: 'operator' | 'text' | 'name' | 'number'
  readonly text: string
}

/** Every part is evaluated, so a mistake behind a decided `||` is found too. */
class Reader {
  readonly #tokens: readonly Token[]
  readonly #variables: Variables
  #at = 0

  constructor(tokens: readonly Token[], variables: Variables) {
    this.#tokens = tokens
    this.#variables = variables
  }

  whole(): Value {
    const value = this.#or()
    const rest = this.#tokens[this.#at]
    if (rest !== undefined) throw new Mistake(`"${rest.text}" is one thing too many`)
    return value
  }

  #or(): Value {
    let value = this.#and()
    while (this.#take('||')) value = [value, this.#and()].some(truth)
    return value
  }

  #and(): Value {
    let value = this.#compare()
    while (this.#take('&&')) value = [value, this.#compare()].every(truth)
    return value
  }

  #compare(): Value {
    const left = this.#not()
    if (this.#take('==')) return String(left) === String(this.#not())
    if (this.#take('!=')) return String(left) !== String(this.#not())
    return left
  }

  #not(): Value {
    return this.#take('!') ? !truth(this.#not()) : this.#operand()
  }

  #operand(): Value {
    if (this.#take('(')) {
      const value = this.#or()
      if (!this.#take(')')) throw new Mistake('a ")" is missing')
      return value
    }
    const token = this.#tokens[this.#at++]
    if (token === undefined) throw new Mistake('it ends too early')
    if (token.kind === 'text') return token.text
    if (token.kind === 'number') return Number(token.text)
    if (token.kind === 'operator') throw new Mistake(`"${token.text}" stands where a value belongs`)
    if (token.text === 'true' || token.text === 'false') return token.text === 'true'
    const value = Object.hasOwn(this.#variables, token.text)
      ? this.#variables[token.text]
      : undefined
    if (value === undefined) throw new Mistake(unknownVariable(token.text, this.#variables))
    return value
  }

  #take(operator: string): boolean {
    const token = this.#tokens[this.#at]
    if (token?.kind !== 'operator' || token.text !== operator) return false
    this.#at++
    return true
  }
}

class Mistake extends Error {}

export function unknownVariable(name: string, variables: Variables): string {
  const names = Object.keys(variables)
  const have = names.length === 0 ? 'the lab has no matrix' : `the matrix has ${listed(names)}`
  return `there is no variable "${name}"${didYouMean(name, names)}: ${have}`
}

/** Whether a value counts as true: not false, 0 or the empty text. */
export function truth(value: Value): boolean {
  return value !== false && value !== 0 && value !== ''
}

/**
 * The value of a condition in one combination.
 *
 * @example
 * ```ts
 * const variables = { mode: 'vepa', hairpin: true }
 * evaluate("mode == 'vepa' && hairpin", variables) // { ok: true, value: true }
 * ```
 */
export function evaluate(text: string, variables: Variables): Evaluated {
  const tokens: Token[] = []
  let end = 0
  while (text.slice(end).trim() !== '') {
    TOKEN.lastIndex = end
    const match = TOKEN.exec(text)
    if (match === null) {
      return {
        ok: false,
        sentence: `"${text}" is no condition: "${text.slice(end).trim()}" is not understood`,
      }
    }
    end = TOKEN.lastIndex
    const [, operator, single, double, name] = match
    if (operator !== undefined) tokens.push({ kind: 'operator', text: operator })
    else if (name !== undefined) {
      tokens.push({ kind: /^-?\d+(\.\d+)?$/.test(name) ? 'number' : 'name', text: name })
    } else tokens.push({ kind: 'text', text: single ?? double ?? '' })
  }
  try {
    return { ok: true, value: new Reader(tokens, variables).whole() }
  } catch (error) {
    if (error instanceof Mistake)
      return { ok: false, sentence: `"${text}" is no condition: ${error.message}` }
    throw error
  }
}
