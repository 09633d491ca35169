import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { asSysError, errnoCode, errnoName, errnoOf, errnoText, SysError } from './errno.ts'

test('errnoName() and errnoText() speak as the C library does', () => {
  expect([errnoName(17), errnoText(17)]).toEqual(['EEXIST', 'File exists'])
  expect([errnoName(101), errnoText(101)]).toEqual(['ENETUNREACH', 'Network is unreachable'])
  expect([errnoName(4711), errnoText(4711)]).toEqual(['E4711', 'Unknown error 4711'])
})

test('errnoCode() finds every name, aliases included', () => {
  for (let code = 1; code <= 133; code++) {
    if (code !== 41 && code !== 58) expect(errnoCode(errnoName(code))).toBe(code)
  }
  expect(errnoCode('EWOULDBLOCK')).toBe(11)
  expect(errnoCode('ENOSUCH')).toBeUndefined()
})

test('asSysError() takes over what node:fs throws and leaves the rest', () => {
  const thrown = asSysError(
    'read x',
    caught(() => readFileSync('/no/such/file')),
  )
  expect(thrown).toBeInstanceOf(SysError)
  expect(thrown).toMatchObject({ call: 'read x', errno: 'ENOENT', code: 2 })
  const other = caught(() => execFileSync('false'))
  expect(asSysError('run', other)).toBe(other)
  expect(errnoOf('text')).toBeUndefined()
})

function caught(fn: () => unknown): unknown {
  try {
    fn()
  } catch (error) {
    return error
  }
  return undefined
}
