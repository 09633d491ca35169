import { expect, test } from 'vitest'
import { readWords } from './lab-door.ts'

test('reads the plain form as the whole program does', () => {
  const given = ['--', 'ip', 'link']
  expect(readWords(['a', ...given])).toEqual({ node: 'a', given, options: {} })
  expect(readWords(['a', 'ip', '-br', 'link'])).toMatchObject({ given: ['ip', '-br', 'link'] })
  const named = { node: 'a', given, options: { lab: 'x' } }
  expect(readWords(['--lab', 'x', 'a', ...given])).toEqual(named)
  expect(readWords(['--lab=x', 'a', ...given])).toEqual(named)
  // What follows the node is the command's.
  expect(readWords(['a', 'docker', '--help'])).toMatchObject({ given: ['docker', '--help'] })
})

test.each([
  [],
  ['--help'],
  ['-h', 'a'],
  ['--', 'a', 'ip'],
  ['--lab'],
  ['--lab', '--help'],
  ['--lab', 'x'],
  ['--lab', 'x', '--lab', 'y', 'a'],
  ['--lap', 'x', 'a'],
])('leaves %j to the whole program', (...args) => {
  expect(readWords(args)).toBeUndefined()
})
