/**
 * `npm run seeds -- --fabric sim|kernel|uml [SEED...]`: every command of every seed, outcome by
 * outcome, and a table by document. Ends with 1 when one differs.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { runInUml } from '../../src/kernel/uml.ts'
import { nodeInUml, umlMissing } from '../../src/kernel/uml-boot.ts'
import { openKernel } from './kernel.ts'
import { type Played, playSeed, SEEDS } from './play.ts'
import { openSim } from './sim.ts'

/** Bundled, this file is elsewhere; npm runs it in the project. */
const ROOT = process.cwd()
/** A folder where modprobe finds the guest's modules, and terminals of the guest's own. */
const GUEST = [
  'mkdir -p /dev/shm/kmod/lib && ln -s /usr/lib/uml/modules /dev/shm/kmod/lib/modules',
  'mkdir -p /dev/pts && mount -t devpts -o ptmxmode=666 devpts /dev/pts',
  'touch /dev/ptmx && mount --bind /dev/pts/ptmx /dev/ptmx',
].join('; ')
const { values, positionals: wanted } = parseArgs({
  options: { fabric: { type: 'string', default: 'sim' } },
  allowPositionals: true,
})
const { fabric } = values
const unknown = wanted.filter((seed) => !SEEDS.includes(seed))
const seeds = wanted.length === 0 ? SEEDS : SEEDS.filter((s) => wanted.includes(s))

if (unknown.length > 0) {
  console.error(`there is no seed ${unknown.join(' ')}: there are ${SEEDS.join(' ')}`)
  process.exitCode = 2
} else if (fabric === 'sim' || fabric === 'kernel') await playAll(fabric)
else if (fabric === 'uml') await playInUml()
else {
  console.error(`--fabric is sim, kernel or uml, not ${fabric}`)
  process.exitCode = 2
}

async function playAll(on: 'sim' | 'kernel'): Promise<void> {
  const program = [process.execPath, join(ROOT, 'bin/lanyard.cjs')]
  const rows: string[][] = [['seed', 'commands', 'as printed', 'differ', 'left out']]
  for (const seed of seeds) {
    console.log(`seed ${seed}`)
    const played = await playSeed(
      seed,
      (lab) => (on === 'sim' ? openSim(lab) : openKernel(lab, program)),
      (one) => console.log(rowOf(one)),
    )
    const count = (result: Played['result']) =>
      String(played.filter((p) => p.result === result).length)
    rows.push([
      seed,
      String(played.length),
      count('as printed'),
      count('differs'),
      count('left out'),
    ])
    if (played.some((p) => p.result === 'differs')) process.exitCode = 1
  }
  console.log(`\n${rows.map((row) => row.map((cell) => cell.padStart(10)).join(' ')).join('\n')}`)
}

function rowOf({ step, result, why }: Played): string {
  const mark = { 'as printed': '✓', differs: '✗', 'left out': '-' }[result]
  const reason = why === '' ? '' : `  ${why.startsWith('\n') ? why : `(left out: ${why})`}`
  return `  ${mark} ${step.node}${step.inside ? ' / #' : '#'} ${step.line}${reason}`
}

/** The same once more, on the kernel of a guest; what daemons write goes into its memory. */
async function playInUml(): Promise<void> {
  const missing = umlMissing()
  if (missing !== undefined) {
    console.error(missing)
    process.exitCode = 2
    return
  }
  const { exitCode, console: said } = await runInUml({
    command: [
      ...['sh', '-c', `${GUEST}; exec "$@"`, 'sh'],
      ...nodeInUml(),
      join(ROOT, 'scripts/run.mjs'),
      'test/seeds/main.ts',
      '--fabric=kernel',
      ...seeds,
    ],
    cwd: ROOT,
    // The host's /lib/modules has the host's, if it is there at all: it is not written to.
    env: { TMPDIR: '/dev/shm', MODPROBE_OPTIONS: '-d /dev/shm/kmod' },
    memoryMib: 2048,
    timeoutMs: 3_600_000,
    onOutput: (text) => void process.stdout.write(text),
  })
  if (exitCode === undefined) console.error(`the guest died: ${said.slice(-500)}`)
  process.exitCode = exitCode ?? 2
}
