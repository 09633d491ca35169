/**
 * Error texts people paste into search engines: of dockerd, ip, the kernel, CNI plugins, podman. A
 * row says what a text means, which of our codes it is, and what mends it. `<word>` stands for what
 * differs; where a pasted text has it, it is filled into the mends.
 */
import type { ErrorCode } from '../errors.ts'
import type { ReasonCode } from '../fabric/reason.ts'
import type { CauseCode } from './causes.ts'
import { DOCKER_TEXTS } from './texts-docker.ts'
import { OTHER_TEXTS } from './texts-others.ts'

export interface TextRow {
  readonly texts: readonly string[]
  /** Who says it. */
  readonly from: string
  /** One sentence, in plain words. */
  readonly means: string
  /** Ours for the same: of errors, reasons or causes. */
  readonly codes: readonly (ErrorCode | ReasonCode | CauseCode)[]
  readonly mends: readonly string[]
}

export const TEXTS: Readonly<Record<string, TextRow>> = { ...DOCKER_TEXTS, ...OTHER_TEXTS }
