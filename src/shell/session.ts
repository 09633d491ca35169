/** What a command line runs in, and what it leaves. */
import type { Fabric } from '../fabric/fabric.ts'

export interface Session {
  readonly fabric: Fabric
  /** The namespace commands run in; `ip netns exec` makes a session with another one. */
  readonly netns: string
  /** Shell variables: only `for` sets them. */
  readonly variables: ReadonlyMap<string, string>
  /** Where the other ends of links may be; undefined = look in every namespace there is. */
  readonly reach?: () => readonly string[]
}

/** What a command leaves behind, as a process would. */
export interface Output {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** A program of this shell. `args` without its own name; `stdin` is the text piped in. */
export type Command = (session: Session, args: readonly string[], stdin: string) => Promise<Output>

export const done = (stdout = ''): Output => ({ code: 0, stdout, stderr: '' })
export const failed = (code: number, stderr: string, stdout = ''): Output => ({
  code,
  stdout,
  stderr,
})

/** A session that starts in the fabric's own namespace. */
export function openSession(fabric: Fabric, netns = ''): Session {
  return { fabric, netns, variables: new Map() }
}
