/**
 * The failures behind the error texts people paste: what is said of each, and that every text a
 * simulator can bring about is known, with a mend that mends.
 */
import { describe, expect, test } from 'vitest'
import { parseIp } from '../../src/addr/ip.ts'
import { ask } from '../../src/explain/ask.ts'
import { explain, quiet } from '../../src/explain/explain.ts'
import type { Question } from '../../src/explain/question.ts'
import { recognise } from '../../src/explain/recognise.ts'
import { applies } from '../../src/explain/search.ts'
import { TEXTS } from '../../src/explain/texts.ts'
import { runCommand } from '../../src/shell/run.ts'
import { openSession, type Output } from '../../src/shell/session.ts'
import { openSim } from '../../src/sim/fabric.ts'
import { openDockerSim } from '../shell/docker-world.ts'
import { decisive, openLab } from './labs.ts'
import { DOCKER_REFUSALS, KERNEL_REFUSALS, type Refusal, USER_CASES } from './users.ts'

const same = (node: string): string => node

describe('explain', () => {
  test.each(USER_CASES)('explain: $says', async (one) => {
    const { world } = await openLab(one.lab)
    for (const ops of [one.by?.(same) ?? [], one.then?.(same) ?? []]) {
      world.applyNow(ops)
      await world.settle()
    }
    const question: Question = {
      from: one.from,
      to: one.to,
      target: parseIp(one.ip),
      protocol: one.protocol ?? 'icmp',
      ...(one.port === undefined ? {} : { port: one.port }),
    }
    const found = explain(world, question)
    expect(found).toMatchObject({ verdict: 'fail', code: one.code })
    expect(found.cause).toBe(one.cause)
    expect(decisive(found)).toEqual([one.at])
    const titles = found.remedies.map((r) => r.title)
    expect(titles).toEqual(expect.arrayContaining([...one.fixes]))
    expect(titles.length > 0).toBe(one.fixes.length > 0)
    for (const { title, plan } of found.remedies) {
      const trial = quiet(world)
      expect(applies(trial, plan), title).toBe(true)
      expect(ask(trial, question).open, title).toBe(true)
    }
    // What people paste of it names the same.
    for (const id of one.texts) {
      const { codes } = TEXTS[id] as { readonly codes: readonly string[] }
      const named = [one.code, one.cause].filter((code) => code !== undefined)
      expect(
        codes.filter((code) => named.includes(code as never)),
        id,
      ).not.toEqual([])
    }
  })
})

describe('recognise', () => {
  test.each(KERNEL_REFUSALS)('recognise knows what "$refused" says ($text)', async (one) => {
    const world = openSim()
    const run = async (line: string) => runCommand(openSession(world), line)
    await refused(one, run)
  })

  test.each(DOCKER_REFUSALS)('recognise knows what "$refused" says ($text)', async (one) => {
    await refused(one, await openDockerSim())
  })
})

async function refused(
  { text, before, refused: line, mend }: Refusal,
  run: (line: string) => Promise<Output>,
): Promise<void> {
  for (const first of before) expect(await run(first), first).toMatchObject({ code: 0 })
  const { code, stderr } = await run(line)
  expect(code).not.toBe(0)
  expect(recognise(stderr)[0]?.id, stderr).toBe(text)
  for (const next of mend) expect(await run(next), next).toMatchObject({ code: 0 })
}
