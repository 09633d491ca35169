/** A snapshot of a machine that does not stand still. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { describeKernel } from '../../test/describe-kernel.ts'
import { takeLiveSnapshot } from './live.ts'
import { createNetns, deleteNetns } from './netns.ts'
import { watchNetns } from './watch.ts'

/** Far more than `ip` does before the snapshot is there. */
const CHANGES = 3_000_000

async function firstEvent(netns: string): Promise<void> {
  let told: (() => void) | undefined
  const heard = new Promise<void>((resolve) => (told = resolve))
  const watch = watchNetns(netns, () => told?.())
  await heard
  watch.close()
}

describeKernel('takeLiveSnapshot', () => {
  const moves = `live${process.pid}-moves`
  const stands = `live${process.pid}-stands`
  beforeEach(() => {
    for (const netns of [moves, stands]) createNetns(netns)
  })
  afterEach(() => {
    for (const netns of [moves, stands]) deleteNetns(netns)
  })

  test('names what changed whenever it was read, and what stands still again is read', async () => {
    const changing = spawn('ip', ['-n', moves, '-batch', '-'], {
      stdio: ['pipe', 'ignore', 'pipe'],
    })
    const ended = once(changing, 'exit')
    let said = ''
    changing.stderr.on('data', (text) => (said += String(text)))
    changing.stdin.on('error', () => undefined)
    let left = CHANGES
    const more = (): void => {
      while (left > 0 && changing.stdin.write(`link set dev lo mtu ${1500 + (left-- % 100)}\n`));
    }
    changing.stdin.on('drain', more)
    more()
    try {
      await firstEvent(moves)
      const taken = await takeLiveSnapshot()
      expect(said).toBe('')
      expect(taken.moving).toContain(moves)
      expect(taken.moving).not.toContain(stands)
      expect(taken.snapshot.netns.map((n) => n.name)).toEqual(
        expect.arrayContaining([moves, stands]),
      )
    } finally {
      left = 0
      changing.kill('SIGKILL')
      await ended
    }
    expect((await takeLiveSnapshot()).moving).not.toContain(moves)
  })
})
