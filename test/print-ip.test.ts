/** Printing a plan and reading it back are two folders' work: fabric prints, the shell reads. */
import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { Op } from '../src/fabric/plan.ts'
import { printOp, printPlan } from '../src/fabric/print-ip.ts'
import { planOfLine } from '../src/shell/plan-of.ts'

/** Every command line the measured rows were built with. */
function measuredLines(): string[] {
  const lines = new Set<string>()
  const truth = new URL('truth/', import.meta.url)
  for (const file of readdirSync(truth)) {
    const text = readFileSync(new URL(file, truth), 'utf8')
    for (const [, line] of text.matchAll(/"((?:ip|bridge|tc|sysctl) [^"\\]*)"/g))
      lines.add(line ?? '')
  }
  return [...lines]
}

/** The ops of a line; none when it is one that the tool refuses. */
function opsOf(line: string): readonly Op[] {
  try {
    return planOfLine(line)
  } catch {
    return []
  }
}

test('printOp gives lines that read back as the op, for every op of the measured rows', () => {
  const ops = measuredLines().flatMap(opsOf)
  expect(ops.length).toBeGreaterThan(500)
  for (const op of ops) {
    expect(
      printOp(op).flatMap((line) => planOfLine(line)),
      printOp(op).join('\n'),
    ).toEqual([op])
  }
  expect(printPlan(ops)).toHaveLength(ops.length)
})
