import { expect, test } from 'vitest'
import { EchoSockets, type ProbeSocket } from './socket.ts'

const socket = (id: number): ProbeSocket => ({ id }) as ProbeSocket

test('EchoSockets finds each of many, in a row and far apart, and no other', () => {
  const open = new EchoSockets()
  const ids = [1, 2, 3, 4, 5, 6, 5 + 16, 5 + 4096, 65_535, 0]
  for (const id of ids) open.add(socket(id))
  expect(ids.map((id) => open.get(id)?.id)).toEqual(ids)
  expect([7, 5 + 8, 5 + 8192].map((id) => open.get(id))).toEqual([undefined, undefined, undefined])
  const gone = open.get(5) as ProbeSocket
  open.remove(gone)
  open.remove(socket(6))
  expect([open.get(5), open.get(6)?.id, open.get(21)?.id]).toEqual([undefined, 6, 21])
})
