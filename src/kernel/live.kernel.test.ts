/** A snapshot of a machine that does not stand still. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { describeKernel } from '../../test/describe-kernel.ts'
import { takeLiveSnapshot } from './live.ts'
import { createNetns, deleteNetns } from './netns.ts'
import { watchNetns } from './watch.ts'

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
    // By themselves: while a snapshot is taken this process does nothing else.
    const lines = [1400, 1500].map((mtu) => `link set dev lo mtu ${mtu}`).join('\n')
    const script = `timeout 120 yes '${lines}' | ip -n ${moves} -batch -`
    const changing = spawn('sh', ['-c', script], { stdio: 'ignore', detached: true })
    const ended = once(changing, 'exit')
    try {
      await firstEvent(moves)
      let taken = await takeLiveSnapshot()
      // On a busy machine whoever changes it may not have had a turn meanwhile.
      for (let i = 0; i < 100 && taken.moving.length === 0; i++) taken = await takeLiveSnapshot()
      expect(taken.moving).toContain(moves)
      expect(taken.moving).not.toContain(stands)
      expect(taken.snapshot.netns.map((n) => n.name)).toEqual(
        expect.arrayContaining([moves, stands]),
      )
    } finally {
      // The whole of its group; yes ends with who reads it.
      if (changing.pid !== undefined) process.kill(-changing.pid, 'SIGKILL')
      await ended
    }
    expect((await takeLiveSnapshot()).moving).not.toContain(moves)
  })
})
