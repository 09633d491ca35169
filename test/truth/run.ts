/**
 * `npm run truth -- [--fabric sim|kernel|uml] [--json] [NAME...]`: replays what was measured on
 * real kernels and names every row that differs. Exit code 1 when one does. With `uml` the same
 * program runs inside User Mode Linux with that one's kernel, some files a boot.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { umlMissing } from '../../src/kernel/uml-boot.ts'
import { replay } from './replay.ts'
import { differences, reasons, type Replayed, table } from './report.ts'
import { readTruth, type Row, type TruthFile } from './rows.ts'
import { replayInUml } from './uml.ts'
import { kernelPlaces, type Places, simPlaces } from './world.ts'

interface Options {
  fabric: string
  json: boolean
  names: string[]
  /** Exactly these files. */
  files: string[] | undefined
  /** Where what was replayed is written, for the program that started this one. */
  report: string | undefined
}

function readOptions(words: readonly string[]): Options {
  const options: Options = {
    fabric: 'sim',
    json: false,
    names: [],
    files: undefined,
    report: undefined,
  }
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string
    if (word === '--json') options.json = true
    else if (word === '--fabric') options.fabric = words[++at] ?? ''
    else if (word.startsWith('--fabric=')) options.fabric = word.slice('--fabric='.length)
    else if (word.startsWith('--files=')) options.files = word.slice('--files='.length).split(',')
    else if (word.startsWith('--report=')) options.report = word.slice('--report='.length)
    else if (word.startsWith('-')) throw new Error(`unknown option ${word}`)
    else options.names.push(word)
  }
  if (!['sim', 'kernel', 'uml'].includes(options.fabric)) {
    throw new Error(`--fabric is sim, kernel or uml, not "${options.fabric}"`)
  }
  return options
}

/** Most of a replay on a kernel is waiting: so many files at a time. */
const FILES_AT_ONCE = 8

async function replayAll(
  places: Places,
  files: readonly TruthFile[],
  silent: boolean,
): Promise<readonly Replayed[]> {
  const done: Replayed[] = []
  let next = 0
  const worker = async () => {
    for (let at = next++; at < files.length; at = next++) {
      const file = files[at] as TruthFile
      const rows = await replayOrSay(places, file)
      done[at] = { file: file.name, kind: file.kind, rows }
      const differing = rows.filter((r) => r.verdict === 'differ').length
      if (places.kind === 'kernel' && !silent && rows.length > 0) {
        process.stderr.write(`${file.name}: ${rows.length} rows, ${differing} differ\n`)
      }
    }
  }
  const workers = places.kind === 'kernel' ? FILES_AT_ONCE : 1
  await Promise.all(Array.from({ length: workers }, worker))
  return done
}

/** A file that could not be replayed to its end is one row that differs: the others go on. */
async function replayOrSay(places: Places, file: TruthFile): Promise<readonly Row[]> {
  try {
    return await replay(places, file)
  } catch (error) {
    if (places.kind === 'sim') throw error
    const got = error instanceof Error ? error.message : String(error)
    const row = { file: file.name, number: 0, aspect: 'after', verdict: 'differ', got } as const
    return [{ ...row, kernel: places.kernel, what: 'the whole file', expected: 'replayed' }]
  }
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  const { files: only } = options
  const files = readTruth(options.names).filter((f) => only === undefined || only.includes(f.name))
  const done = await replayOn(options, files)
  if (options.report !== undefined) writeFileSync(options.report, JSON.stringify(done))
  const rows = done.flatMap((d) => d.rows)
  if (options.report !== undefined) return 0
  if (options.json) process.stdout.write(`${JSON.stringify(rows, null, 1)}\n`)
  else process.stdout.write(`${differences(done)}${reasons(done)}${table(done)}`)
  if (rows.length === 0) throw new Error(`no rows: is there a file named ${options.names.join(', ')}?`)
  return rows.some((r) => r.verdict === 'differ') ? 1 : 0
}

async function replayOn(options: Options, files: TruthFile[]): Promise<readonly Replayed[]> {
  if (options.fabric === 'uml') {
    const missing = umlMissing()
    if (missing !== undefined) throw new Error(`--fabric uml: ${missing}`)
    return replayInUml(fileURLToPath(import.meta.url), files)
  }
  if (options.fabric === 'kernel' && process.getuid?.() !== 0) {
    throw new Error('--fabric kernel needs root: it makes network namespaces; try --fabric sim')
  }
  const places: Places = options.fabric === 'sim' ? simPlaces() : await kernelPlaces()
  const stop = () => {
    void places.close().finally(() => process.exit(130))
  }
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  try {
    return await replayAll(places, files, options.json)
  } finally {
    await places.close()
  }
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`truth: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  process.exitCode = 2
}
