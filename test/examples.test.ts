/** Every example prints what its transcript says, in the simulator. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildProgram, ROOT, removeProgram, runProgram } from './support/program.ts'

const EXAMPLES = join(ROOT, 'examples')
const names = readdirSync(EXAMPLES, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)

beforeAll(buildProgram)
afterAll(removeProgram)

test.each(names)('examples/%s prints its transcript and explains itself', async (name) => {
  const { status, stdout, stderr } = await runProgram('lab', 'run', `examples/${name}`)
  expect(stderr).toBe('')
  expect(stdout).toBe(readFileSync(join(EXAMPLES, name, 'transcript.txt'), 'utf8'))
  expect(status).toBe(0)
  expect(existsSync(join(EXAMPLES, name, 'README.md'))).toBe(true)
})
