/** Every command of every seed on the simulator: what it prints is what the seed printed. */
import { expect, test } from 'vitest'
import { playSeed, SEEDS } from './play.ts'
import { openSim } from './sim.ts'
import { printedAs, readTranscript } from './transcript.ts'

test.each(SEEDS)('seed %s', async (name) => {
  const played = await playSeed(name, openSim)
  const wrong = played.filter((p) => p.result === 'differs').map((p) => `${p.step.line}${p.why}`)
  expect(wrong).toEqual([])
  // Nothing but the installing of packages is left out.
  const left = played.filter((p) => p.result === 'left out').map((p) => p.step.line)
  expect(left.filter((line) => !/^(?:yum|apt) install /.test(line))).toEqual([])
  expect(played.length).toBeGreaterThan(10)
})

test('a transcript that says something else does not pass', () => {
  expect(printedAs('1 packets, 0% loss\n', ['1 packets, 0% loss'])).toBe(true)
  expect(printedAs('1 packets, 100% loss\n', ['1 packets, 0% loss'])).toBe(false)
  expect(printedAs('a\nb\nc\n', ['a', '...', 'c'])).toBe(true)
  expect(printedAs('a\nb\n', ['a'])).toBe(false)
  expect(printedAs('64 bytes ttl=64 time=0.1 ms', ['64 bytes ttl=63 time=0.2 ms'])).toBe(false)
  const [step] = readTranscript('[root@n ~]# echo \\\n  a\nx\n[status 3]\n')
  expect(step).toMatchObject({ node: 'n', line: 'echo a', want: ['x'], status: 3 })
})
