import { expect, test } from 'vitest'
import { nextTcpState, type TcpState } from './tcp-state.ts'

const FLAGS: Readonly<Record<string, number>> = {
  S: 2,
  'S.': 18,
  '.': 16,
  'F.': 17,
  R: 4,
  'R.': 20,
}

/** Segments as tcpdump writes their flags, those of the answerer behind a `<`. */
function follow(...segments: readonly string[]): TcpState[] {
  let state: TcpState = 'NONE'
  return segments.map((segment) => {
    const direction = segment.startsWith('<') ? 'reply' : 'original'
    state = nextTcpState(state, direction, FLAGS[segment.replace('<', '')] ?? 0)
    return state
  })
}

test('a connection is opened, used and closed', () => {
  expect(follow('S', '<S.', '.', '<.', 'F.', '<.', '<F.', '.')).toEqual([
    ...['SYN_SENT', 'SYN_RECV', 'ESTABLISHED', 'ESTABLISHED'],
    ...['FIN_WAIT', 'CLOSE_WAIT', 'LAST_ACK', 'TIME_WAIT'],
  ])
})

test('a refusal, a reset, and a segment in the middle', () => {
  expect(follow('S', '<R.')).toEqual(['SYN_SENT', 'CLOSE'])
  expect(follow('S', '<S.', '.', 'R')).toEqual(['SYN_SENT', 'SYN_RECV', 'ESTABLISHED', 'CLOSE'])
  expect(follow('.', '<.')).toEqual(['ESTABLISHED', 'ESTABLISHED'])
  // What does not belong leaves it as it is.
  expect(follow('S', 'S.', '<.')).toEqual(['SYN_SENT', 'SYN_SENT', 'SYN_SENT'])
})
