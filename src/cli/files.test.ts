import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { fileReason, makeFolder, mustBeWritable, writeText, writing } from './files.ts'

const folder = mkdtempSync(join(tmpdir(), 'lanyard-files-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function thrown(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return (error as Error).message
  }
  return ''
}

describe('a file that cannot be written', () => {
  const nowhere = join(folder, 'no', 'x')

  test('is said in one sentence, without the words of Node', () => {
    const sentence = `${nowhere} cannot be written: no such file or directory`
    expect(thrown(() => writeText('x', nowhere))).toBe(sentence)
    expect(thrown(() => mustBeWritable(nowhere))).toBe(sentence)
    expect(thrown(() => mustBeWritable(folder))).toBe(
      `${folder} cannot be written: it is a directory`,
    )
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), {
      code: 'ENOSPC',
    })
    expect(fileReason(full)).toBe('no space left on device')
    expect(fileReason('odd')).toBe('odd')
  })
})

test('to ask whether a file can be written makes and changes nothing', () => {
  const file = join(folder, 'new')
  mustBeWritable(file)
  mustBeWritable('-')
  mustBeWritable(undefined)
  expect(existsSync(file)).toBe(false)
  writeText('text', file)
  mustBeWritable(file)
  expect(readFileSync(file, 'utf8')).toBe('text')
  expect(writing(file, () => 7)).toBe(7)
})

test('a folder is made with those it lies in, or it is said why not', () => {
  const deep = join(folder, 'one', 'two')
  expect([makeFolder(deep, 0o700), makeFolder(deep, 0o700)]).toEqual([true, false])
  const file = join(folder, 'file')
  writeText('x', file)
  expect(thrown(() => makeFolder(file, 0o700))).toBe(
    `${file} cannot be written: it is not a folder`,
  )
  const below = join(file, 'x')
  expect(thrown(() => makeFolder(below, 0o700))).toBe(`${below} cannot be written: not a directory`)
  const dangling = join(folder, 'dangling')
  symlinkSync(join(folder, 'nowhere'), dangling)
  const through = join(dangling, 'x')
  expect(thrown(() => makeFolder(through, 0o700))).toBe(
    `${through} cannot be written: file already exists`,
  )
})

test.skipIf(!existsSync('/proc/self'))('a folder in /proc is refused at once', () => {
  expect(thrown(() => makeFolder('/proc/none/x', 0o700))).toBe(
    '/proc/none/x cannot be written: no such file or directory',
  )
})
