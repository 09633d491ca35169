// The gate, `npm test`: build, types, lint, format, dead code, unit, kernel and Docker tests. One
// line a step with its time, the whole output of what failed, and at the end what failed by name
// and `N passed, N failed, N skipped`; a check counts as one test.
//
// - `npm test`: as root on Linux the kernel tests run, else every one of their files is skipped by
//   name.
// - `npm test -- --userns`: an ordinary user runs them in a user namespace of their own.
//
// With CI=true whatever is skipped counts as failed.
import { spawn, spawnSync } from 'node:child_process'
import { accessSync, constants, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..')
const LIMIT_MS = 35 * 60_000
/** More failures than these are no accident. */
const UNSTEADY = 5
const ci = process.env.CI === 'true' || process.env.CI === '1'
const total = { passed: 0, failed: 0, skipped: 0 }
/** What is told again at the end, where it is seen. */
const failures = []
const unsteady = []
const reports = mkdtempSync(join(tmpdir(), 'lanyard-test-'))

/**
 * Runs a program of node_modules/.bin (or another); its output is kept until it is known to matter.
 */
function run(command, args) {
  return new Promise((done) => {
    const env = {
      ...process.env,
      NO_COLOR: '1',
      PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env.PATH}`,
    }
    const child = spawn(command, args, { cwd: ROOT, env, timeout: LIMIT_MS })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8')
      stream.on('data', (text) => {
        output += text
      })
    }
    child.on('error', (error) => done({ ok: false, output: `${output}${error.message}\n` }))
    child.on('close', (code, signal) => {
      const end = signal === null ? '' : `ended by ${signal}\n`
      done({ ok: code === 0, output: output + end })
    })
  })
}

function line(name, word, startedMs, note = '') {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  console.log(
    `${name.padEnd(12)} ${word.padEnd(7)} ${seconds.padStart(6)} s${note && `   ${note}`}`,
  )
}

async function check(name, command, ...args) {
  const started = performance.now()
  const { ok, output } = await run(command, args)
  line(name, ok ? 'ok' : 'FAILED', started)
  if (ok) total.passed++
  else {
    total.failed++
    failures.push({ name, why: firstLine(output.trim()) })
    console.log(output.trimEnd())
  }
}

/** A vitest project; `wrap` is the command line it runs under. */
async function suite(project, wrap = []) {
  const started = performance.now()
  const first = await play(project, wrap)
  const { counted, skipped } = first
  let failed = first.failed
  // A real network has its own time: what fails beside others is tried once more, alone, and told.
  if (project !== 'unit' && first.reported && failed.length > 0 && failed.length <= UNSTEADY) {
    const files = [...new Set(failed.map(({ path }) => path))]
    const second = await play(project, wrap, ['--maxWorkers=1', ...files])
    const passed = new Set(second.passed)
    unsteady.push(...failed.filter(({ name }) => passed.has(name)))
    failed = failed.filter(({ name }) => !passed.has(name))
    counted.passed += counted.failed - failed.length
    counted.failed = failed.length
  }
  line(project, counted.failed > 0 ? 'FAILED' : 'ok', started, sum(counted))
  if (first.failed.length > 0) console.log(first.output.trimEnd())
  for (const name of skipped) console.log(`  skipped  ${name}`)
  failures.push(...failed)
  for (const key of Object.keys(total)) total[key] += counted[key]
}

/** Runs a project, or some files of it. */
async function play(project, wrap, files = []) {
  const report = join(reports, `${project}${files.length > 0 ? '-again' : ''}.json`)
  const [command, ...args] = wrap.concat(
    ['vitest', 'run', '--project', project, '--passWithNoTests', ...files],
    ['--reporter=dot', '--reporter=json', `--outputFile.json=${report}`],
  )
  const { ok, output } = await run(command, args)
  const passed = []
  const failed = []
  const skipped = []
  const results = readReport(report)
  for (const file of results) {
    const path = relative(ROOT, file.name)
    // A file that could not be loaded has no tests to count.
    if (file.status === 'failed' && file.assertionResults.length === 0)
      failed.push({ path, name: path, why: firstLine(file.message) })
    for (const test of file.assertionResults) {
      const name = `${path}: ${test.fullName.trim()}`
      if (test.status === 'passed') passed.push(name)
      else if (test.status === 'failed')
        failed.push({ path, name, why: firstLine(test.failureMessages?.[0]) })
      else skipped.push(name)
    }
  }
  if (!ok && failed.length === 0) failed.push({ path: project, name: project, why: 'see above' })
  const counted = { passed: passed.length, failed: failed.length, skipped: skipped.length }
  return { reported: results.length > 0, counted, passed, failed, skipped, output }
}

function firstLine(text = '') {
  // What vitest's report says of a test that ran out of time.
  if (text.startsWith('Error: STACK_TRACE_ERROR')) return 'timed out'
  return text.split('\n', 1)[0].slice(0, 300)
}

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).testResults
  } catch {
    return [] // the run ended before it could report: it counts as one failure
  }
}

function sum({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}

/** How the kernel tests run here: the command line before vitest, or why they do not. */
function kernelDoor() {
  if (process.platform !== 'linux') return { why: 'needs Linux' }
  if (process.getuid() === 0) return { wrap: [] }
  if (!process.argv.includes('--userns'))
    return { why: 'needs root, or `npm test -- --userns` where user namespaces are allowed' }
  // udev opens it to all; some containers do not.
  if (!canOpen('/dev/net/tun')) return { why: '/dev/net/tun is not open to ordinary users here' }
  // A /run of their own holds their named namespaces; ip and tcpdump find themselves root.
  const own = 'mount -t tmpfs tmpfs /run && ip link set lo up && exec "$@"'
  const flags = ['--user', '--map-root-user', '--net', '--mount']
  const wrap = ['unshare', ...flags, '--', 'sh', '-c', own, 'sh']
  const tried = spawnSync(wrap[0], [...wrap.slice(1), 'true'], { encoding: 'utf8' })
  if (tried.status === 0) return { wrap }
  return { why: `user namespaces are not allowed here: ${(tried.stderr ?? '').trim()}` }
}

function canOpen(path) {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** dockerd wants to be root among all users: an ordinary one needs sudo without a password. */
function dockerDoor() {
  if (process.platform !== 'linux') return { why: 'needs Linux' }
  if (process.getuid() === 0) return { wrap: [] }
  const sudo = spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' })
  const path = `PATH=${join(ROOT, 'node_modules/.bin')}:${process.env.PATH}`
  const wrap = ['sudo', '-n', 'env', path, ...(ci ? ['CI=true'] : [])]
  return sudo.status === 0 ? { wrap } : { why: 'needs root, or sudo without a password' }
}

/** The suite of a project, or each of its files skipped by name. */
async function rootSuite(project, door) {
  if (door.wrap !== undefined) return suite(project, door.wrap)
  const files = ['src', 'test'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith(`.${project}.test.ts`))
      .map((path) => `${folder}/${path}`),
  )
  line(project, 'skipped', performance.now(), `${files.length} files`)
  for (const path of files) console.log(`  skipped  ${path}: ${door.why}`)
  total.skipped += files.length
}

try {
  await check('build', 'node', 'build.mjs')
  await check('types', 'tsc', '-p', 'tsconfig.json')
  await check('types core', 'tsc', '-p', 'tsconfig.core.json')
  await check('lint', 'oxlint', '--type-aware', '--deny-warnings')
  await check('format', 'biome', 'format', '.')
  await check('dead code', 'knip', '--no-progress')
  await suite('unit')
  await rootSuite('kernel', kernelDoor())
  await rootSuite('docker', dockerDoor())
} finally {
  rmSync(reports, { recursive: true, force: true })
}
for (const { name, why } of failures) console.log(`  failed   ${name}: ${why}`)
for (const { name, why } of unsteady)
  console.log(`  unsteady ${name}: passed alone at the second try; at the first: ${why}`)
if (ci && total.skipped > 0) {
  console.log(`\nCI=true: the ${total.skipped} skipped count as failed`)
  total.failed += total.skipped
  total.skipped = 0
}
console.log(`\n${sum(total)}`)
process.exitCode = total.failed > 0 ? 1 : 0
