/**
 * What rests on a line that was left out is left out, too: a container on a network that is not
 * there, a listing that would show it, what is typed at a shell that was never opened.
 */
import type { Step } from './transcript.ts'

export class LeftOut {
  /** What a line that was left out would have made, and at which node. */
  readonly #names = new Map<string, Step>()
  /** The last line typed at a machine was left out, and what is typed inside goes with it. */
  #outer: Step | undefined

  /** A line is left out because something is missing. */
  add(step: Step): void {
    if (step.inside) return
    this.#outer = step
    for (const name of namesOf(step)) this.#names.set(`${step.node} ${name}`, step)
  }

  /** Why a line cannot be played although nothing is missing for itself. */
  why(step: Step): string | undefined {
    if (step.inside) return this.#outer === undefined ? undefined : rests(this.#outer)
    this.#outer = undefined
    const words = `${step.line}\n${step.want.join('\n')}`.split(/[\s=,"/:@]+/)
    const word = words.find((one) => this.#names.has(`${step.node} ${one}`))
    const cause =
      word === undefined ? this.#elsewhere(words) : this.#names.get(`${step.node} ${word}`)
    if (cause === undefined) return undefined
    this.add(step)
    return rests(cause)
  }

  /** Addresses are the same thing wherever they are named. */
  #elsewhere(words: readonly string[]): Step | undefined {
    const addresses = new Set(words.filter((word) => /^\d+\.\d+\.\d+\.\d+$/.test(word)))
    return [...this.#names].find(([name]) => addresses.has(name.split(' ')[1] ?? ''))?.[1]
  }
}

function rests({ node, line }: Step): string {
  return `rests on "${node}# ${line.replaceAll(/\s+/g, ' ')}", which was left out`
}

/** Names and addresses that a line gives to something. */
function namesOf({ line }: Step): string[] {
  const found = [
    /--name[= ](\S+)/.exec(line)?.[1],
    /--ip[= ](\S+)/.exec(line)?.[1],
    /^docker network create .*\s(\S+)$/s.exec(line)?.[1],
    /-o parent=(\w+\.\d+)/.exec(line)?.[1],
    /^vconfig add (\S+ \S+)$/.exec(line)?.[1]?.replace(' ', '.'),
    /^ifconfig \S+ (\d+\.\d+\.\d+\.\d+)/.exec(line)?.[1],
  ]
  return found.filter((name) => name !== undefined)
}
