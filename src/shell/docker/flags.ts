/** Flags as the docker client reads them (spf13/pflag): `--name=v`, `--name v`, `-itd`, `-ov`. */
import { ToolExit } from '../arguments.ts'
import { USAGE } from './usage.ts'

/** What a command knows; `true` takes no value. `short` is its one letter, or none. */
export interface FlagRow {
  readonly name: string
  readonly short?: string
  readonly value: boolean
  /** The client knows it and this laboratory does not. */
  readonly missing?: true
}

export class Flags {
  readonly #set = new Map<string, string[]>()
  readonly words: readonly string[]

  constructor(command: string, rows: readonly FlagRow[], given: readonly string[]) {
    const words: string[] = []
    // Flags of what runs in the container are not ours: `run` and `exec` stop at the first word.
    const stops = command === 'run' || command === 'exec' || command === 'container run'
    for (let at = 0; at < given.length; at++) {
      const word = given[at] as string
      if (word === '--') {
        words.push(...given.slice(at + 1))
        break
      }
      if (!word.startsWith('-') || word === '-') {
        words.push(word)
        if (!stops) continue
        words.push(...given.slice(at + 1))
        break
      }
      at += this.#read(command, rows, word, given[at + 1])
    }
    this.words = words
  }

  /** @returns how many words after this one it took */
  #read(command: string, rows: readonly FlagRow[], word: string, next: string | undefined): number {
    const see = `\nSee 'docker ${command} --help'.\n`
    if (word.startsWith('--')) {
      const [name = '', ...rest] = word.slice(2).split('=')
      const row = rows.find((r) => r.name === name)
      if (name === 'help') throw new ToolExit(0, '', commandHelp(command, rows))
      if (row === undefined) throw new ToolExit(125, `unknown flag: --${name}${see}`)
      if (rest.length > 0) return this.#put(command, row, rest.join('='), 0)
      if (!row.value) return this.#put(command, row, 'true', 0)
      if (next === undefined) throw new ToolExit(125, `flag needs an argument: --${name}${see}`)
      return this.#put(command, row, next, 1)
    }
    for (let i = 1; i < word.length; i++) {
      const letter = word[i] as string
      const row = rows.find((r) => r.short === letter)
      if (row === undefined) {
        throw new ToolExit(125, `unknown shorthand flag: '${letter}' in ${word}${see}`)
      }
      if (!row.value) {
        this.#put(command, row, 'true', 0)
        continue
      }
      const rest = word.slice(i + 1).replace(/^=/, '')
      if (rest !== '') return this.#put(command, row, rest, 0)
      if (next === undefined) {
        throw new ToolExit(125, `flag needs an argument: '${letter}' in ${word}${see}`)
      }
      return this.#put(command, row, next, 1)
    }
    return 0
  }

  #put(command: string, row: FlagRow, value: string, took: number): number {
    if (row.missing === true) {
      const what = `"--${row.name}" of docker ${command}`
      throw new ToolExit(127, `lanyard: ${what} is not part of this shell yet\n`)
    }
    const list = this.#set.get(row.name) ?? []
    this.#set.set(row.name, [...list, value])
    return took
  }

  has(name: string): boolean {
    return (this.#set.get(name)?.at(-1) ?? 'false') !== 'false'
  }

  one(name: string): string | undefined {
    return this.#set.get(name)?.at(-1)
  }

  all(name: string): readonly string[] {
    return this.#set.get(name) ?? []
  }

  /** `KEY=VALUE` lists. */
  pairs(name: string): Readonly<Record<string, string>> {
    return Object.fromEntries(
      this.all(name).map((text) => {
        const at = text.indexOf('=')
        return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
      }),
    )
  }
}

/** A row a word: `name`, `n|name` with its letter, `=` behind one with a value, `!` if missing. */
export function flagRows(text: string): readonly FlagRow[] {
  return text
    .split(/\s+/)
    .filter((w) => w !== '')
    .map((word) => {
      const [, short, name = '', value, missing] = /^(?:(\w)\|)?([\w.-]+)(=)?(!)?$/.exec(word) ?? []
      return {
        name,
        value: value !== undefined,
        ...(short === undefined ? {} : { short }),
        ...(missing === undefined ? {} : { missing: true as const }),
      }
    })
}

/** `docker COMMAND --help`: of its options those that are here. */
function commandHelp(command: string, rows: readonly FlagRow[]): string {
  const [line = '', short = ''] = USAGE[command] ?? []
  const options = rows
    .filter((row) => row.missing !== true)
    .map(({ name, short: letter, value }) => {
      const first = letter === undefined ? '    ' : `-${letter}, `
      return `  ${first}--${name}${value ? ' value' : ''}\n`
    })
  const list = options.length === 0 ? '' : `\nOptions of this shell:\n${options.join('')}`
  return `\nUsage:  docker ${command} ${line}\n\n${short}\n${list}`
}
