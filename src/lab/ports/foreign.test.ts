/** Variables of foreign files, and names a lab can have. */
import { expect, test } from 'vitest'
import { labNameLike, Names, openForeign } from './foreign.ts'

const value = (text: string, set: Readonly<Record<string, string>> = {}): unknown =>
  openForeign('f.yml', `a: ${text}\n`, { set }).value

test.each([
  ['$X', { X: 'v' }, 'v'],
  ['x-${X}-y', { X: 'v' }, 'x-v-y'],
  ['${X:-d}', {}, 'd'],
  ['${X:-d}', { X: '' }, 'd'],
  ['${X-d}', { X: '' }, null],
  ['${X:+yes}', { X: 'v' }, 'yes'],
  ['${X+yes}', {}, null],
  ['a$$b', {}, 'a$b'],
])('%s with %j is %j', (text, set, expected) => {
  expect(value(text, set)).toEqual({ a: expected })
})

test('a comment has no variables, and every one without a value is named', () => {
  expect(openForeign('f.yml', '# $X\na: 1\n', { set: {} }).value).toEqual({ a: 1 })
  expect(() => openForeign('f.yml', 'a: $X\nb: ${Y:?must be}\n', { set: {} })).toThrow(
    'f.yml:1:1: the variable X has no value: give it with --set X=VALUE\n' +
      'f.yml:2:1: the variable Y has no value: give it with --set Y=VALUE',
  )
})

test('names are as like as can be, and each once', () => {
  const names = new Names()
  expect(['web.1', 'web-1', '-x', '!!', 'unplugged'].map((n) => names.take(n))).toEqual([
    ...['web-1', 'web-1-2', 'x', 'node', 'unplugged-2'],
  ])
  expect(['My Lab', '2nd_lab!', '--', 'a'.repeat(50)].map(labNameLike)).toEqual([
    ...['my-lab', 'nd-lab', 'lab', 'a'.repeat(40)],
  ])
})
