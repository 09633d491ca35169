/**
 * Files that commands read and write: one sentence where that cannot be, before the work where
 * possible.
 */
import { accessSync, constants, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { LanyardError } from '../errors.ts'

/**
 * Does what writes to a file.
 *
 * @throws LanyardError `file-unwritable`
 */
export function writing<T>(file: string, write: () => T): T {
  try {
    return write()
  } catch (error) {
    throw new LanyardError('file-unwritable', { file, why: fileReason(error) }, { cause: error })
  }
}

/**
 * Makes a folder, and those it lies in. Node's own way tries for ever where the kernel's file
 * systems (/proc) refuse a name.
 *
 * @returns whether it was made
 * @throws LanyardError `file-unwritable`
 */
export function makeFolder(path: string, mode: number): boolean {
  const missing: string[] = []
  for (let at = resolve(path); !existsSync(at); at = dirname(at)) missing.unshift(at)
  writing(path, () => {
    for (const one of missing) mkdirIfMissing(one, mode)
    if (!statSync(path).isDirectory()) throw new Error('it is not a folder')
  })
  return missing.length > 0
}

/** Another process may be making it, too. */
function mkdirIfMissing(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !existsSync(path)) throw error
  }
}

/** What the system said of a file, without Node's own words around it. */
export function fileReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.message.replace(/^[A-Z0-9]+: (.*?), \w+(?: '.*')?$/s, '$1')
}

/**
 * Writes a text to a file, or to standard output where there is none or it is `-`.
 *
 * @throws LanyardError `file-unwritable`
 */
export function writeText(text: string, file: string | undefined): void {
  if (file === undefined || file === '-') process.stdout.write(text)
  else writing(file, () => writeFileSync(file, text))
}

/**
 * Whether a file could be written, asked before long work; nothing is made.
 *
 * @throws LanyardError `file-unwritable`
 */
export function mustBeWritable(file: string | undefined): void {
  if (file === undefined || file === '-') return
  writing(file, () => {
    if (!existsSync(file)) accessSync(dirname(file), constants.W_OK)
    else if (statSync(file).isDirectory()) throw new Error('it is a directory')
    else accessSync(file, constants.W_OK)
  })
}
