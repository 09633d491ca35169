/** What a command line runs in, and what it leaves. */
import { type Ip, tryParseIp } from '../addr/ip.ts'
import type { Fabric } from '../fabric/fabric.ts'
import type { ListedConnection } from '../sim/ip/netfilter/list.ts'

/** What a command may ask of the machine it runs on, beyond its network. */
export interface Machine {
  readonly name: string
  /** Release of the kernel. */
  readonly release: string
  /** Addresses of a name of the lab, IPv4 first; none for a name nobody has. */
  readonly lookup: (name: string) => Promise<readonly Ip[]>
  /** The name of an address. */
  readonly nameOf: (ip: Ip) => Promise<string | undefined>
  /** Connections that a namespace of the machine tracks; undefined where nobody can say. */
  readonly connections?: (netns: string) => readonly ListedConnection[]
  /** What programs of this machine keep; undefined where nothing is kept. */
  readonly disk?: MachineDisk
}

export interface MachineDisk {
  readonly read: (path: string) => string | undefined
  readonly write: (path: string, text: string) => void
}

export interface Session {
  readonly fabric: Fabric
  /** The namespace commands run in; `ip netns exec` makes a session with another one. */
  readonly netns: string
  /** Shell variables: `for` sets them, and each command `?`. */
  readonly variables: ReadonlyMap<string, string>
  /** Where the other ends of links may be; undefined = look in every namespace there is. */
  readonly reach?: () => readonly string[]
  /** Undefined where commands run without a lab around them: then there are no names. */
  readonly machine?: Machine
  /** Runs beside the rest of its line. */
  readonly background?: Background
  /** What runs so, of the line that is being run. */
  readonly jobs?: Job[]
  /** The programs are busybox's, as in a container of such an image. */
  readonly busybox?: true
}

/** How a command in the background knows when to begin and to end. */
export interface Background {
  /** Said when the rest of the line may go on. */
  readonly started: () => void
  /** Done when it is to end, as by Ctrl-C. */
  readonly stopped: Promise<void>
}

/** A command in the background. */
export interface Job {
  readonly stop: () => void
  readonly output: Promise<Output>
}

/** What a command leaves behind, as a process would. */
export interface Output {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** An interactive shell was started: what is typed next is for it. */
  readonly inside?: Inside
}

/** A shell in a container that waits for what is typed. */
export interface Inside {
  readonly container: string
  readonly prompt: string
  /** What its end sets off: `docker run -it --rm`. */
  readonly atEnd?: string
}

/** A line typed at a shell in a container, as a line of its machine. */
export function insideLine(inside: Inside, line: string): string {
  return `docker exec ${inside.container} sh -c '${line.replaceAll("'", `'\\''`)}'`
}

/** A program of this shell. `args` without its own name; `stdin` is the text piped in. */
export type Command = (session: Session, args: readonly string[], stdin: string) => Promise<Output>

export const done = (stdout = ''): Output => ({ code: 0, stdout, stderr: '' })
export const failed = (code: number, stderr: string, stdout = ''): Output => ({
  code,
  stdout,
  stderr,
})

/**
 * A session that starts in the fabric's own namespace.
 *
 * @param last exit status of the command before, as `$?` says it
 */
export function openSession(fabric: Fabric, netns = '', machine?: Machine, last = 0): Session {
  const session = { fabric, netns, variables: new Map([['?', `${last}`]]) }
  return machine === undefined ? session : { ...session, machine }
}

/** Addresses of a host as written, or by its name in the lab. */
export async function findHost(session: Session, text: string): Promise<readonly Ip[] | undefined> {
  const ip = tryParseIp(text)
  if (ip !== undefined) return [ip]
  const found = (await session.machine?.lookup(text)) ?? []
  return found.length === 0 ? undefined : found
}
