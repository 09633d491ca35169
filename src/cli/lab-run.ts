/** `lanyard lab run`: a lab from its file to its report. */
import { release } from 'node:os'
import { reportJson } from '../lab/json.ts'
import type { Paint } from '../lab/paint.ts'
import { drawLab } from '../lab/picture.ts'
import { printCombination, printSummary } from '../lab/print.ts'
import { reportHtml } from '../lab/report-html.ts'
import { reportJunit } from '../lab/report-junit.ts'
import { type LabReport, type RunOptions, runLab } from '../lab/run.ts'
import type { Topology } from '../lab/topology.ts'
import { openSession } from '../shell/session.ts'
import { runCommand } from '../shell/run.ts'
import { EXIT } from './failure.ts'
import { openPlace } from './fabrics.ts'
import { loadLab } from './lab-file.ts'
import { pcapSink } from './pcap.ts'
import { onStop } from './stop.ts'
import { painter } from './terminal.ts'
import { mustBeWritable, writeText } from './files.ts'

export interface LabRunOptions {
  readonly fabric: 'sim' | 'kernel' | 'uml'
  readonly json?: boolean
  readonly pcap?: string
  readonly junit?: string
  readonly html?: string
  readonly seed: number
}

/** @returns the exit status */
export async function labRun(path: string, options: LabRunOptions): Promise<number> {
  const { file, topologies } = loadLab(path)
  for (const report of [options.junit, options.html]) mustBeWritable(report)
  if (options.fabric === 'uml') {
    const { runLanyardInUml } = await import('./uml-run.ts')
    return await runLanyardInUml(topologies[0]?.lab ?? '', argumentsOf(path, options))
  }
  const stop = onStop()
  const place = await openPlace(options.fabric, options.seed, topologies)
  try {
    const capture: RunOptions['capture'] | undefined =
      options.pcap === undefined ? undefined : pcapSink(options.pcap, topologies)
    const paint = painter(process.stdout)
    if (options.json !== true) process.stdout.write(labHead(topologies, paint))
    const report = await runLab(topologies, {
      file,
      open: place.open,
      atOnce: place.atOnce,
      signal: stop.signal,
      breathe: () => new Promise((resolve) => setImmediate(resolve)),
      command: (fabric, netns, line) => runCommand(openSession(fabric, netns), line),
      ...(place.reason === undefined ? {} : { reason: place.reason }),
      ...(capture === undefined ? {} : { capture }),
    })
    writeReports(report, topologies, file, options)
    if (options.json === true) {
      process.stdout.write(`${JSON.stringify(reportJson(report, topologies), undefined, 2)}\n`)
    } else {
      const texts = report.combinations.map((c) => printCombination(c, paint))
      const parts = texts.filter((text) => text !== '').map((text) => `${text}\n\n`)
      process.stdout.write(
        `${parts.join('')}${printSummary(report, paint, `Linux ${release()}`)}\n`,
      )
    }
    return report.missed === 0 ? EXIT.ok : EXIT.missed
  } finally {
    await place.close()
    stop.done()
  }
}

function writeReports(
  report: LabReport,
  topologies: readonly Topology[],
  file: string,
  { junit, html }: LabRunOptions,
): void {
  if (junit !== undefined) writeText(reportJunit(report, file), junit)
  if (html !== undefined) writeText(reportHtml(report, topologies, `Linux ${release()}`), html)
}

/** The command line that does the same on the kernel it is typed on. */
function argumentsOf(path: string, { json, pcap, junit, html, seed }: LabRunOptions): string[] {
  return [
    ...['lab', 'run', path, '--fabric', 'kernel', '--seed', `${seed}`],
    ...(json === true ? ['--json'] : []),
    ...(pcap === undefined ? [] : ['--pcap', pcap]),
    ...(junit === undefined ? [] : ['--junit', junit]),
    ...(html === undefined ? [] : ['--html', html]),
  ]
}

/** Name, title and picture: what there is to see while the pings run. */
function labHead(topologies: readonly Topology[], paint: Paint): string {
  const [first] = topologies
  const head = [paint('title', first?.lab ?? ''), first?.title].filter(Boolean).join(': ')
  const picture = drawLab(topologies, paint)
  return picture === '' ? `${head}\n\n` : `${head}\n\n${picture}\n\n`
}
