/** A plan in a file, done in the simulator: command lines, or ops as JSON. */
import { readFileSync } from 'node:fs'
import { decodeOps } from '../daemon/codec.ts'
import { LanyardError } from '../errors.ts'
import { printPlan } from '../fabric/print-ip.ts'
import type { Plan } from '../fabric/plan.ts'
import { runCommand } from '../shell/run.ts'
import { openSession } from '../shell/session.ts'
import type { SimFabric } from '../sim/fabric.ts'

/**
 * Does what a file says, in a world nobody else uses.
 *
 * @returns what was refused, a sentence each
 * @throws LanyardError `file-unreadable`
 */
export async function doPlanFile(fabric: SimFabric, file: string): Promise<string[]> {
  const text = read(file)
  const refused = /^\s*[[{]/.test(text)
    ? doOps(fabric, readOps(file, text))
    : await doLines(fabric, text)
  await fabric.settle()
  return refused
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const code = (error as { readonly code?: string }).code
    const why = code === 'ENOENT' ? 'no such file or directory' : String(code ?? error)
    throw new LanyardError('file-unreadable', { file, why }, { cause: error })
  }
}

function readOps(file: string, text: string): Plan {
  const bad = (why: string): LanyardError => new LanyardError('file-unreadable', { file, why })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw bad(`it is no JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  const list: unknown = Array.isArray(value) ? value : (value as { readonly plan?: unknown }).plan
  if (!Array.isArray(list)) throw bad('it is no list of ops, nor an object with such a "plan"')
  for (const [i, op] of list.entries()) {
    const { do: what, netns } = (op ?? {}) as { readonly do?: unknown; readonly netns?: unknown }
    if (typeof what !== 'string' || typeof netns !== 'string') {
      throw bad(`op ${i + 1} has no "do" and "netns" (see docs/reference/ops.md)`)
    }
  }
  return decodeOps(list as Record<string, unknown>[])
}

function doOps(fabric: SimFabric, plan: Plan): string[] {
  return plan.flatMap((op, i) => {
    try {
      const [outcome] = fabric.applyNow([op], { keepGoing: true })
      if (outcome === undefined || outcome.ok) return []
      return [`${printPlan([op]).join('; ')}: ${outcome.extack ?? outcome.errno}`]
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      return [`op ${i + 1} (${op.do}): ${why}`]
    }
  })
}

async function doLines(fabric: SimFabric, text: string): Promise<string[]> {
  const refused: string[] = []
  for (const [i, line] of text.split('\n').entries()) {
    const command = line.trim()
    if (command === '' || command.startsWith('#')) continue
    const { code, stdout, stderr } = await runCommand(openSession(fabric), command)
    if (code === 0) continue
    refused.push(`line ${i + 1}: ${command}: ${(stderr || stdout).trim() || `status ${code}`}`)
  }
  return refused
}
