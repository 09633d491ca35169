/**
 * Transcripts: what is typed at the nodes of a lab, and what is printed. One format for people and
 * for the test:
 *
 *     # a comment
 *     [root@NODE ~]# a command, with \ at the end going on below
 *     what it prints; a line `...` stands for any lines, `...` in a line for any text
 *     [status 1]
 *     / # a command typed at the shell the last one opened in a container
 *
 * `[skip: REASON]` before a command leaves it out, and says so.
 */
export interface Step {
  readonly node: string
  /** Typed at a shell in a container. */
  readonly inside: boolean
  readonly line: string
  readonly want: readonly string[]
  readonly status: number
  readonly skip: string | undefined
}

type Draft = { -readonly [K in keyof Step]: Step[K] } & { want: string[] }

export function readTranscript(text: string): Step[] {
  const steps: Draft[] = []
  let skip: string | undefined
  let step: Draft | undefined
  for (const row of text.split('\n')) {
    const typed = /^\[root@([\w.-]+) ~\]# (.*)$/.exec(row)
    const inner = /^\/ # (.*)$/.exec(row)
    const status = /^\[status (\d+)\]$/.exec(row)
    const skipped = /^\[skip: (.*)\]$/.exec(row)
    if (step?.line.endsWith('\\') === true) step.line = `${step.line.slice(0, -1)}${row.trim()}`
    else if (typed !== null || inner !== null) {
      const node: string = typed?.[1] ?? step?.node ?? ''
      const line = typed?.[2] ?? inner?.[1] ?? ''
      step = { node, inside: inner !== null, line, want: [], status: 0, skip }
      skip = undefined
      steps.push(step)
    } else if (skipped !== null) skip = skipped[1]
    else if (status !== null && step !== undefined) step.status = Number(status[1])
    else if (row.startsWith('# ') || row === '#') continue
    else if (row.trim() !== '' && step !== undefined) step.want.push(row)
  }
  return steps
}

/** What must differ between two machines, made alike; blanks as seeds have lost them. */
export function comparable(text: string): string[] {
  return text
    .split('\n')
    .map((line) =>
      line
        .replace(/\b[0-9a-f]{64}\b/g, 'ID')
        .replace(/\bdm-[0-9a-f]{12}\b/g, 'dm-id')
        .replace(/\b[0-9a-f]{12}\b/g, 'id')
        .replace(/\b8000\.id/g, '8000.id')
        .replace(/link\/ether (?!02:42:)(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/g, 'link/ether MAC')
        .replace(/\bfe80::[0-9a-f:]+/g, 'fe80::')
        .replace(/^\d+: /, 'N: ')
        .replace(/@if\d+/g, '')
        .replace(/ qdisc (?:pfifo_fast|fq_codel|noqueue|mq)(?= |$)/, ' qdisc Q')
        .replace(/ group \S+/, ' group G')
        .replace(/ link-netns(?:id)? \S+/g, '')
        .replace(/time=[\d.]+ ms/g, 'time=T')
        .replace(/ = [\d./]+ ms/g, ' = T')
        .replace(/, time \d+ms/g, ', time T')
        .replace(/(?:\d+|About a|Less than a) (?:second|minute)s?/g, 'WHILE')
        .replace(/\s+/g, ' ')
        .trim(),
    )
    .filter((line) => line !== '')
}

/** Whether what was printed is what the transcript says. */
export function printedAs(have: string, want: readonly string[]): boolean {
  const lines = comparable(have)
  const wanted = want.map((line) => comparable(line)[0] ?? '')
  const from = (at: number, n: number): boolean => {
    const pattern = wanted[n]
    if (pattern === undefined) return at === lines.length
    if (pattern === '...') {
      for (let end = at; end <= lines.length; end++) if (from(end, n + 1)) return true
      return false
    }
    const line = lines[at]
    return line !== undefined && fits(line, pattern) && from(at + 1, n + 1)
  }
  return from(0, 0)
}

function fits(line: string, pattern: string): boolean {
  const [first = '', ...rest] = pattern.split('...')
  if (rest.length === 0) return line === pattern
  if (!line.startsWith(first) || !line.endsWith(rest.at(-1) ?? '')) return false
  let at = first.length
  for (const part of rest) {
    const found = line.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return true
}
