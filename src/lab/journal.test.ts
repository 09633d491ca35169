import { describe, expect, test } from 'vitest'
import { formatRecord, type JournalRecord, parseJournal } from './journal.ts'

const RECORDS: readonly JournalRecord[] = [
  {
    node: 'h',
    line: 'ip addr add fd00::1/64 dev eth0',
    code: 0,
    atNs: 5,
    calls: [
      {
        do: 'apply',
        plan: [
          {
            do: 'address.add',
            netns: 'h',
            link: 'eth0',
            address: { address: 0xfd00_0000_0000_0000_0000_0000_0000_0001n, length: 64 },
          },
        ],
      },
    ],
  },
  { save: 'before' },
  { node: 'h', line: 'ping -c1 10.0.0.2', code: 1, atNs: 9, calls: [{ do: 'sleep', ms: 4 }] },
]
const TEXT = RECORDS.map(formatRecord).join('')

describe('a journal', () => {
  test('is read as it was written, IPv6 included', () => {
    const { records, ends, torn, damaged } = parseJournal(TEXT)
    expect(records).toEqual(RECORDS)
    expect([ends.at(-1), torn, damaged]).toEqual([TEXT.length, false, undefined])
  })

  test('cut anywhere keeps the whole records before the cut', () => {
    const { ends } = parseJournal(TEXT)
    for (let at = 0; at < TEXT.length; at++) {
      const { records, torn, damaged } = parseJournal(TEXT.slice(0, at))
      const whole = ends.filter((end) => end <= at).length
      expect([at, records, damaged]).toEqual([at, RECORDS.slice(0, whole), undefined])
      expect([at, torn]).toEqual([at, at !== 0 && !ends.includes(at)])
    }
  })

  test('with a damaged record in the middle says which', () => {
    const { records, torn, damaged } = parseJournal(TEXT.replace('{"save"', '{"sa'))
    expect([records.length, torn, damaged]).toEqual([1, false, 2])
  })
})
