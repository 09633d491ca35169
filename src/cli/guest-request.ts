/** What a command on the host asks of a guest, the file `request` of a session, and how it ends. */
import type { ErrorCode } from '../errors.ts'
import type { LabInfo } from './lab-state.ts'

/** Makes the lab. */
export interface UpRequest {
  readonly do: 'up'
  readonly info: LabInfo
  /** Of its file. */
  readonly text: string
}

/** A command at a node, in the root of its file systems, as on any kernel. */
export interface ExecRequest {
  readonly do: 'exec'
  readonly env: Readonly<Record<string, string>>
  readonly lab: string
  readonly node: string
  readonly command: readonly string[]
  /** Whether there is anything to be read. */
  readonly stdin: boolean
  /** At a terminal of this size. */
  readonly terminal?: { readonly columns: number; readonly rows: number }
}

/** A command line of this program, on the guest's kernel. */
export interface LanyardRequest {
  readonly do: 'lanyard'
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly args: readonly string[]
}

export type GuestRequest = UpRequest | ExecRequest | LanyardRequest

/** How it ended. */
export interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** What `lab up` has to say. */
  readonly notes?: readonly string[]
  readonly error?: { readonly code: ErrorCode; readonly detail: unknown }
  /** A defect of this program, in its words. */
  readonly defect?: string
}
