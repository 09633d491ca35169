import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { describeKernel } from '../../test/describe-kernel.ts'

/** In a process of its own: its main thread leaves the mount namespace of the others. */
const PROGRAM = `
  import { existsSync, mkdirSync, readlinkSync, writeFileSync } from 'node:fs'
  import { spawnSync } from 'node:child_process'
  import { bindMount, bindNewMounts } from './src/sys/mount-namespace.ts'
  import { detachMounts, keepMountsHere } from './src/sys/mount-namespace.ts'
  const folder = process.argv[2]
  const own = () => readlinkSync('/proc/thread-self/ns/mnt')
  const before = [own(), process.cwd()]
  for (const name of ['a', 'b']) mkdirSync(folder + '/' + name)
  for (const name of ['a/x', 'one', 'two']) writeFileSync(folder + '/' + name, '')
  keepMountsHere(folder)
  const inside = (file) => {
    const words = ['--mount=' + folder + '/' + file, 'ls', folder + '/b']
    return spawnSync('nsenter', words, { encoding: 'utf8' }).stdout
  }
  try {
    bindNewMounts(folder + '/one', () => bindMount(folder + '/a', folder + '/b'))
    let refused = ''
    try {
      bindNewMounts(folder + '/two', () => bindMount(folder + '/none', folder + '/b'))
    } catch (error) {
      refused = error.message.replaceAll(folder, 'F')
    }
    const after = [own(), process.cwd()]
    console.log(JSON.stringify({
      refused,
      here: existsSync(folder + '/b/x'),
      there: inside('one'),
      same: before.join() === after.join(),
      detached: [detachMounts(folder + '/one'), detachMounts(folder + '/two') < 0],
    }))
  } finally {
    detachMounts(folder)
  }
`

describeKernel('bindNewMounts()', () => {
  test('keeps a mount namespace in a file, and its maker is where it was', () => {
    const folder = mkdtempSync(join(tmpdir(), 'mounts-'))
    const bundler = ['--bundle', '--platform=node', '--format=esm', '--packages=external']
    const code = execFileSync('node_modules/.bin/esbuild', [...bundler, '--loader=ts'], {
      input: PROGRAM,
      encoding: 'utf8',
    })
    try {
      const said = execFileSync(process.execPath, ['--input-type=module', '-', folder], {
        input: code,
        encoding: 'utf8',
      })
      expect(JSON.parse(said)).toEqual({
        refused: 'mount F/b: No such file or directory (ENOENT)',
        here: false,
        there: 'x\n',
        same: true,
        detached: [0, true],
      })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
