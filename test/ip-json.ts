/** What iproute2 says, as a second witness for tests on a real kernel. */
import { execFileSync } from 'node:child_process'

export type Row = Readonly<Record<string, unknown>>

/** `ip -n NETNS -d -j ...`, parsed. */
export function ipJson(netns: string, ...words: readonly string[]): readonly Row[] {
  const out = execFileSync('ip', ['-n', netns, '-d', '-j', ...words], { encoding: 'utf8' })
  return JSON.parse(out === '' ? '[]' : out) as readonly Row[]
}

/** `bridge -n NETNS -d -j ...`, parsed. */
export function bridgeJson(netns: string, ...words: readonly string[]): readonly Row[] {
  const out = execFileSync('bridge', ['-n', netns, '-d', '-j', ...words], { encoding: 'utf8' })
  return JSON.parse(out === '' ? '[]' : out) as readonly Row[]
}

/** Runs `ip` lines in a namespace. */
export function ip(netns: string, ...lines: readonly string[]): void {
  for (const line of lines) execFileSync('ip', ['-n', netns, ...line.split(' ')])
}
