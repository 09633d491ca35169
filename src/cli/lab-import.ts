/** `lanyard lab import`: a lab file from the file of another tool. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { LanyardError } from '../errors.ts'
import { importClab } from '../lab/ports/clab.ts'
import { importCompose } from '../lab/ports/compose.ts'
import { formatNote, type Imported } from '../lab/ports/draft.ts'
import { importKathara } from '../lab/ports/kathara.ts'
import { MachineFabric, machineIn } from '../shell/machine.ts'
import { runCommand } from '../shell/run.ts'
import { openSession } from '../shell/session.ts'
import { EXIT } from './failure.ts'
import { fileReason, mustBeWritable, writeText } from './files.ts'
import type { RunAt } from '../lab/ports/world.ts'

const SOURCES = ['compose', 'clab', 'kathara'] as const
type ImportSource = (typeof SOURCES)[number]

export interface ImportCliOptions {
  readonly from?: ImportSource
  readonly name?: string
  readonly set: Readonly<Record<string, string>>
  readonly output?: string
  readonly strict?: boolean
}

/** Runs a line at a machine as the laboratory's own shell does. */
const atMachine: RunAt = (fabric, node, line) =>
  runCommand(openSession(new MachineFabric(fabric, node), '', machineIn(fabric, node)), line)

/**
 * The lab goes to standard output or a file, what it could not carry to stderr, a line each.
 *
 * @returns the exit status: 1 when `strict` and something could not be carried
 * @throws LanyardError `file-unreadable`, `file-unwritable`, `lab-invalid`, `usage`
 */
export async function labImport(path: string, options: ImportCliOptions): Promise<number> {
  mustBeWritable(options.output)
  const { file, from } = findSource(path, options.from)
  const imported = await importFrom(file, from, options)
  writeText(imported.text, options.output)
  for (const note of imported.notes) process.stderr.write(`${formatNote(note)}\n`)
  return options.strict === true && imported.notes.length > 0 ? EXIT.missed : EXIT.ok
}

function importFrom(
  file: string,
  from: ImportSource,
  { name, set }: ImportCliOptions,
): Promise<Imported> | Imported {
  const text = readText(file)
  const folder = basename(dirname(resolve(file)))
  const wanted = name === undefined ? { set } : { set, name }
  if (from === 'compose') return importCompose(file, text, folder, wanted)
  if (from === 'clab') return importClab(file, text, folder, wanted, atMachine)
  const beside = (other: string): { readonly file: string; readonly text: string } | undefined => {
    const path = join(dirname(file), other)
    return existsSync(path) ? { file: path, text: readText(path) } : undefined
  }
  return importKathara({ file, text }, beside, folder, wanted, atMachine)
}

/** The file meant, and what wrote it. */
function findSource(
  path: string,
  from: ImportSource | undefined,
): { readonly file: string; readonly from: ImportSource } {
  const inside =
    existsSync(path) && statSync(path).isDirectory() ? readdirSync(path).sort() : undefined
  const found = inside?.filter((name) => {
    const kind = kindOf(name)
    return kind !== undefined && (from === undefined || kind === from)
  })
  const [only] = found ?? []
  if (found !== undefined && (only === undefined || found.length > 1)) {
    const what = only === undefined ? 'no *.clab.yml, lab.conf or compose.yml' : found.join(', ')
    throw usage(`${path} has ${what}: name the file to import`)
  }
  const file = only === undefined ? path : join(path, only)
  const kind = from ?? kindOf(basename(file)) ?? kindWithin(file, readText(file))
  if (kind === undefined) {
    throw usage(`${file} could be of any tool: say --from ${SOURCES.join('|')}`)
  }
  return { file, from: kind }
}

function kindOf(name: string): ImportSource | undefined {
  if (/\.clab\.ya?ml$/.test(name)) return 'clab'
  if (name === 'lab.conf') return 'kathara'
  return /^(docker-)?compose([.-].*)?\.ya?ml$/.test(name) ? 'compose' : undefined
}

/**
 * A file of another name, by its sections.
 * @throws LanyardError `usage` for a lab file of ours
 */
function kindWithin(file: string, text: string): ImportSource | undefined {
  if (/^lab:/m.test(text)) throw usage(`${file} is a lab file already: "lanyard lab run ${file}"`)
  if (/^topology:/m.test(text)) return 'clab'
  if (/^services:/m.test(text)) return 'compose'
  return /^\w+\[\d+\]=/m.test(text) ? 'kathara' : undefined
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new LanyardError('file-unreadable', { file, why: fileReason(error) }, { cause: error })
  }
}

function usage(sentence: string): LanyardError {
  return new LanyardError('usage', { sentence, help: 'lanyard lab import --help' })
}
