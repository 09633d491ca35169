/** `lanyard lab exec` by its own script: it says what the whole program says. */
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildProgram, PROGRAM, removeProgram, ROOT } from '../support/program.ts'

// Each line starts two programs.
const TIMEOUT_MS = 120_000
let folder: string
let door: string

beforeAll(async () => {
  await buildProgram()
  const built = dirname(PROGRAM)
  execFileSync(process.execPath, [join(ROOT, 'scripts/door.mjs'), built])
  folder = mkdtempSync(join(ROOT, 'node_modules/.cache/door-'))
  mkdirSync(join(folder, 'bin'))
  door = join(folder, 'bin/lanyard.cjs')
  copyFileSync(join(ROOT, 'bin/lanyard.cjs'), door)
  symlinkSync(built, join(folder, 'dist'))
  for (const program of [PROGRAM, door]) run(program, 'lab', 'up', 'docs/tutorial/home.yaml', '-q')
}, TIMEOUT_MS)

afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
  removeProgram()
})

/** Each program has a lab of its own, to which the same is done. */
function run(program: string, ...args: readonly string[]): object {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    env: {
      ...process.env,
      XDG_STATE_HOME: join(folder, program === door ? 'door' : 'whole'),
      LANYARD_LAB: '',
      NO_COLOR: '1',
    },
  })
  return { status, stdout, stderr }
}

const LINES: readonly (readonly string[])[] = [
  ['nas', '--', 'ip', 'link'],
  ['nas', '--', 'ip netns add web && ip netns | wc -l'],
  ['nas', '--', 'ip', 'netns'],
  ['nas', 'cat', '/nope'],
  ['nas', '--', 'cat /nope; echo $?; echo $?; for n in 1 2; do echo $n $?; false; done; echo $?'],
  ['--lab', 'home', 'gw', '--', 'ping', '-c1', 'nas'],
  ['--lab=elsewhere', 'gw', '--', 'ip', 'link'],
  ['nobody', '--', 'ip', 'link'],
  ['nas'],
  ['--help'],
  ['--wrong', 'nas'],
  [],
]

test.each(LINES.map((words) => [words]))(
  '%j',
  (words) => {
    expect(run(door, 'lab', 'exec', ...words)).toEqual(run(PROGRAM, 'lab', 'exec', ...words))
  },
  TIMEOUT_MS,
)

test('what $? says is what a shell says', () => {
  const line = 'cat /nope; echo $?; echo $?; for n in 1 2; do echo $n $?; false; done; echo $?'
  const real = spawnSync('sh', ['-c', line], { encoding: 'utf8' })
  expect(run(door, 'lab', 'exec', 'nas', line)).toMatchObject({ stdout: real.stdout })
})
