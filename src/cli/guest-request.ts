/** What a command on the host asks of a guest, the file `request` of a session, and how it ends. */
import type { ErrorCode } from '../errors.ts'
import type { LabInfo } from './lab-state.ts'

/** Where, and as whom, a program of the guest runs. */
interface Surroundings {
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
}

/** Makes the lab. */
export interface UpRequest {
  readonly do: 'up'
  readonly info: LabInfo
  /** Of its file. */
  readonly text: string
}

/** A command at a node. */
export interface ExecRequest extends Surroundings {
  readonly do: 'exec'
  readonly lab: string
  readonly node: string
  readonly command: readonly string[]
  /** Whether there is anything to be read. */
  readonly stdin: boolean
  /** At a terminal of this size. */
  readonly terminal?: { readonly columns: number; readonly rows: number }
}

/** A command line of this program, on the guest's kernel. */
export interface LanyardRequest extends Surroundings {
  readonly do: 'lanyard'
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
