/** Calls in threads: as many at a time as koffi takes, the others after them. */
import { expect, test } from 'vitest'
import { closeInThread, sendInThread } from './libc.ts'

test.skipIf(process.platform !== 'linux')(
  'a thousand sends at once are all done, none is refused',
  async () => {
    const nowhere = -1
    const sends = Array.from({ length: 1000 }, () => sendInThread(nowhere, new Uint8Array(8), null))
    expect(new Set(await Promise.all(sends))).toEqual(new Set([-1]))
    expect(await closeInThread(nowhere)).toBe(-1)
  },
)
