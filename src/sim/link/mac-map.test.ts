import { expect, test } from 'vitest'
import { MacMap } from './mac-map.ts'

/** Two addresses that share their low bits. */
const A = 0x020000000005
const B = 0x060000000005

test('MacMap answers as a Map does, also for addresses that share their place', () => {
  const map = new MacMap<string>()
  expect(map.get(A)).toBeUndefined()
  map.set(A, 'a')
  expect(map.get(A)).toBe('a')
  expect(map.get(B)).toBeUndefined()
  expect(map.get(A)).toBe('a')
  map.set(B, 'b')
  expect([map.get(A), map.get(B), map.get(A)]).toEqual(['a', 'b', 'a'])
  map.set(A, 'c')
  expect(map.get(A)).toBe('c')
  expect([...map.values()]).toEqual(['c', 'b'])
  expect([map.delete(A), map.delete(A)]).toEqual([true, false])
  expect([map.get(A), map.get(B), map.size, map.has(A)]).toEqual([undefined, 'b', 1, false])
})

test('MacMap answers as a Map does, few or many addresses, and so does a copy', () => {
  const [map, plain] = [new MacMap<number>(), new Map<number, number>()]
  for (let step = 0; step < 600; step++) {
    const mac = 0x020000000000 + ((step * 7) % 13) * 128
    if (step % 3 === 0 || step % 100 > 70) expect(map.delete(mac)).toBe(plain.delete(mac))
    else {
      map.set(mac, step)
      plain.set(mac, step)
    }
    const copy = map.fork((value) => value)
    for (let n = 0; n < 14; n++) {
      const asked = 0x020000000000 + n * 128
      expect([map.get(asked), copy.get(asked)]).toEqual([plain.get(asked), plain.get(asked)])
    }
    expect([map.size, ...map.values()]).toEqual([plain.size, ...plain.values()])
  }
})
