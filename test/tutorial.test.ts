/** docs/tutorial: each line is typed and prints what stands there; both languages show the same. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildProgram, programWords, removeProgram, ROOT } from './support/program.ts'

interface Typed {
  readonly line: string
  /** `...` stands for any number of lines. */
  readonly printed: readonly string[]
}

/** The commands of a page's console blocks, block by block. */
function blocksOf(page: string): Typed[][] {
  const text = readFileSync(join(ROOT, 'docs/tutorial', page), 'utf8')
  return [...text.matchAll(/```console\n([\s\S]*?)\n```/g)].map(([, block = '']) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((part) => {
        const [line = '', ...printed] = part.trimEnd().split('\n')
        return { line, printed }
      }),
  )
}

/** What was printed, with `...` where the page has it. */
function asPrinted(wanted: readonly string[], said: readonly string[]): readonly string[] {
  const out: string[] = []
  let at = 0
  for (const [i, line] of wanted.entries()) {
    if (line !== '...') {
      const one = said[at++]
      if (one === undefined) return out
      out.push(one)
    } else {
      const next = wanted[i + 1]
      const until = next === undefined ? said.length : said.indexOf(next, at)
      if (until < 0) return said
      at = until
      out.push(line)
    }
  }
  return [...out, ...said.slice(at)]
}

// Each line starts a program.
describe('docs/tutorial', { timeout: 300_000 }, () => {
  let folder: string
  const type = (line: string): readonly string[] => {
    const { stdout } = spawnSync('sh', ['-c', `${line} 2>&1`], {
      cwd: ROOT,
      encoding: 'utf8',
      env: {
        ...process.env,
        NO_COLOR: '1',
        PATH: `${folder}/bin:${process.env['PATH']}`,
        XDG_STATE_HOME: join(folder, 'state'),
      },
    })
    const text = stdout.replaceAll(`${ROOT}/`, '').trimEnd()
    return text === '' ? [] : text.split('\n').map((one) => one.trimEnd())
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'lanyard-tutorial-'))
    await buildProgram()
    mkdirSync(join(folder, 'bin'))
    const lanyard = join(folder, 'bin/lanyard')
    const words = programWords().map((word) => `'${word}'`)
    writeFileSync(lanyard, `#!/bin/sh\nexec ${words.join(' ')} "$@"\n`)
    chmodSync(lanyard, 0o755)
  })
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true })
    removeProgram()
  })

  for (const [number, block] of blocksOf('first-hour.md').entries())
    test(`block ${number + 1} prints what the page shows: ${block[0]?.line ?? ''}`, () => {
      for (const { line, printed } of block)
        expect([line, ...asPrinted(printed, type(line))]).toEqual([line, ...printed])
    })

  test('the Chinese page types and shows the same', () => {
    expect(blocksOf('first-hour.zh.md')).toEqual(blocksOf('first-hour.md'))
  })
})
