import { expect, test } from 'vitest'
import { shortcomingsOf } from './live-shortcomings.ts'

test('what could not be seen is said, thing by thing, by the names people use', () => {
  const taken = { unread: [{ what: 'namespace pid:7', why: 'EACCES' }], moving: ['', '/run/x'] }
  const name = (netns: string): string => (netns === '' ? 'host' : 'web1')
  expect(shortcomingsOf(taken, 'Docker does not answer', name)).toEqual([
    'namespace pid:7 could not be read: EACCES',
    'host changed whenever it was read: what is said may be out of date',
    'web1 changed whenever it was read: what is said may be out of date',
    'Docker does not answer; containers go without their names',
  ])
  expect(shortcomingsOf({ unread: [], moving: [] }, undefined, name)).toEqual([])
})
