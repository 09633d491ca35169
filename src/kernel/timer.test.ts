import { expect, test } from 'vitest'
import { callAfter } from './timer.ts'

test('callAfter() is not early after synchronous work', async () => {
  // A turn of the loop, then 30 ms in which the loop does not look at the clock.
  await new Promise((resolve) => setImmediate(resolve))
  const busyUntil = performance.now() + 30
  while (performance.now() < busyUntil);
  const started = performance.now()
  await new Promise<void>((resolve) => {
    callAfter(40, resolve)
  })
  expect(performance.now() - started).toBeGreaterThanOrEqual(40)
})

test('callAfter() does not call when closed', async () => {
  let called = false
  callAfter(1, () => {
    called = true
  }).close()
  await new Promise((resolve) => setTimeout(resolve, 10))
  expect(called).toBe(false)
})
