import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { asSysError, errnoOf, SysError } from './errno.ts'

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
