/** `lanyard lab check`: reads a lab file, draws it, runs nothing. */
import { drawLab } from '../lab/picture.ts'
import { loadLab } from './lab-file.ts'
import { painter } from './terminal.ts'

export function labCheck(path: string): void {
  const { file, topologies } = loadLab(path)
  const paint = painter(process.stdout)
  const expectations = topologies.flatMap((t) => [...t.expect, ...t.steps.flatMap((s) => s.expect)])
  const lines = new Set(expectations.map((e) => e.line)).size
  const runs = topologies.length === 1 ? '' : `${topologies.length} combinations, `
  const count = `${runs}${lines} ${lines === 1 ? 'expectation' : 'expectations'}`
  process.stdout.write(
    `${drawLab(topologies, paint)}\n\n${file}: ${paint('good', 'good')}: ${count}\n`,
  )
}
