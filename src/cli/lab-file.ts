/** Finds and reads a lab file. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { LanyardError } from '../errors.ts'
import { readLab } from '../lab/read.ts'
import { LabSource } from '../lab/source.ts'
import { didYouMean } from '../lab/text.ts'
import type { Topology } from '../lab/topology.ts'
import { fileReason } from './files.ts'

export interface LoadedLab {
  readonly file: string
  readonly topologies: readonly Topology[]
  readonly source: LabSource
}

/**
 * Reads the lab at a path; a directory means the lab.yaml in it.
 *
 * @throws LanyardError `file-unreadable`, `lab-invalid`
 */
export function loadLab(path: string): LoadedLab {
  const file = existsSync(path) && statSync(path).isDirectory() ? join(path, 'lab.yaml') : path
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const why = `${fileReason(error)}${near(path)}`
    throw new LanyardError('file-unreadable', { file, why }, { cause: error })
  }
  const source = new LabSource(file, text)
  return { file, topologies: readLab(source), source }
}

/** A name nearby that may be meant. */
function near(path: string): string {
  if (existsSync(path)) return ''
  try {
    return didYouMean(basename(path), readdirSync(dirname(path)))
  } catch {
    return ''
  }
}
