import { expect, test } from 'vitest'
import { errnoCode, errnoName, errnoText, strerror } from './errno.ts'

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

test('strerror() takes a name, and gives back one it does not know', () => {
  expect(strerror('EEXIST')).toBe('File exists')
  expect(strerror('ENOSUCH')).toBe('ENOSUCH')
})
