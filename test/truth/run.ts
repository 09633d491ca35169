/**
 * `npm run truth -- [--fabric sim|kernel] [--json] [NAME...]`: replays what was measured on real
 * kernels and names every row that differs. Exit code 1 when one does.
 */
import { replay } from './replay.ts'
import { differences, reasons, type Replayed, table } from './report.ts'
import { readTruth } from './rows.ts'
import { kernelPlaces, type Places, simPlaces } from './world.ts'

interface Options {
  fabric: string
  json: boolean
  names: string[]
}

function readOptions(words: readonly string[]): Options {
  const options: Options = { fabric: 'sim', json: false, names: [] }
  for (let at = 0; at < words.length; at++) {
    const word = words[at] as string
    if (word === '--json') options.json = true
    else if (word === '--fabric') options.fabric = words[++at] ?? ''
    else if (word.startsWith('--fabric=')) options.fabric = word.slice('--fabric='.length)
    else if (word.startsWith('-')) throw new Error(`unknown option ${word}`)
    else options.names.push(word)
  }
  if (options.fabric !== 'sim' && options.fabric !== 'kernel') {
    throw new Error(`--fabric is sim or kernel, not "${options.fabric}"`)
  }
  return options
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  if (options.fabric === 'kernel' && process.getuid?.() !== 0) {
    throw new Error('--fabric kernel needs root: it makes network namespaces; try --fabric sim')
  }
  const places: Places = options.fabric === 'sim' ? simPlaces() : await kernelPlaces()
  const stop = () => {
    void places.close().finally(() => process.exit(130))
  }
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  const done: Replayed[] = []
  try {
    for (const file of readTruth(options.names)) {
      const rows = await replay(places, file)
      done.push({ file: file.name, kind: file.kind, rows })
      const differing = rows.filter((r) => r.verdict === 'differ').length
      if (options.fabric === 'kernel' && !options.json) {
        process.stderr.write(`${file.name}: ${rows.length} rows, ${differing} differ\n`)
      }
    }
  } finally {
    await places.close()
  }
  const rows = done.flatMap((d) => d.rows)
  if (options.json) process.stdout.write(`${JSON.stringify(rows, null, 1)}\n`)
  else process.stdout.write(`${differences(done)}${reasons(done)}${table(done)}`)
  if (rows.length === 0) throw new Error(`no rows: is there a file named ${options.names.join(', ')}?`)
  return rows.some((r) => r.verdict === 'differ') ? 1 : 0
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`truth: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  process.exitCode = 2
}
