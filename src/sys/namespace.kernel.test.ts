import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { describeKernel } from '../../test/describe-kernel.ts'

/**
 * In a process of its own, for the pool of this one was started long ago: asks the pool for work
 * inside a window and tells which namespaces its threads live in afterwards.
 */
const PROGRAM = `
  import { readdirSync, readlinkSync, promises } from 'node:fs'
  import { bindNewNamespace, inNamespace, openNamespace, unbindNamespace } from './src/sys/namespace.ts'
  import { unlinkSync, writeFileSync, mkdirSync } from 'node:fs'
  mkdirSync('/run/netns', { recursive: true })
  const path = '/run/netns/sysk-pool'
  writeFileSync(path, '')
  try {
    if (process.argv[2] === 'make') bindNewNamespace(path)
    const work = inNamespace(openNamespace(path), () => ({ promise: promises.access('/') }))
    await work.promise
    const spaces = readdirSync('/proc/self/task').map((t) => readlinkSync('/proc/self/task/' + t + '/ns/net'))
    console.log(new Set(spaces).size, spaces.length)
  } finally {
    unbindNamespace(path)
    unlinkSync(path)
  }
`

describeKernel('inNamespace()', () => {
  test('inNamespace() and bindNewNamespace() leave no thread of the pool behind', () => {
    const bundler = ['--bundle', '--platform=node', '--format=esm', '--packages=external']
    const code = execFileSync('node_modules/.bin/esbuild', [...bundler, '--loader=ts'], {
      input: PROGRAM,
      encoding: 'utf8',
    })
    const said = execFileSync(process.execPath, ['--input-type=module', '-', 'make'], {
      input: code,
      encoding: 'utf8',
    })
    const [namespaces, threads] = said.trim().split(' ').map(Number)
    expect(namespaces).toBe(1)
    expect(threads).toBeGreaterThan(4)
  })
})
