/** The program as a user has it: bundled once, run as a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'

export const ROOT = rootAbove(import.meta.dirname)
// Inside the project, so that the bundle finds the project's packages.
const OWN = join(ROOT, 'node_modules', '.cache', `program-${process.pid}`)
/** Inside a guest it is there already. */
const GIVEN = process.env['LANYARD_TEST_PROGRAM']
const FOLDER = GIVEN ?? OWN
/** Where {@link buildProgram} puts it. */
export const PROGRAM = join(FOLDER, 'main.mjs')
const MAIN = PROGRAM

/** The project's folder, from here or from a bundle that this is part of. */
function rootAbove(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : rootAbove(dirname(folder))
}

/** Bundles the program; call before the first run. (A hook of vitest takes no parameters.) */
export async function buildProgram(): Promise<void> {
  await buildProgramAnd({})
}

/**
 * Bundles the program and others that lie beside it then, by the names they get:
 * `{ other: 'test/x.ts' }` is other.mjs.
 */
export async function buildProgramAnd(more: Readonly<Record<string, string>>): Promise<void> {
  if (GIVEN !== undefined) return
  mkdirSync(FOLDER, { recursive: true })
  await build({
    entryPoints: {
      main: join(ROOT, 'src/cli/main.ts'),
      ...Object.fromEntries(Object.entries(more).map(([name, path]) => [name, join(ROOT, path)])),
    },
    outdir: FOLDER,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    logLevel: 'warning',
  })
}

export function removeProgram(): void {
  rmSync(OWN, { recursive: true, force: true })
}

export interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The command line that is `lanyard ARGS`. */
export function programWords(...args: readonly string[]): string[] {
  return [process.execPath, MAIN, ...args]
}

/** Runs a command without any capability, as an ordinary user has none; root stays who it is. */
export const UNPRIVILEGED = ['setpriv', '--inh-caps=-all', '--bounding-set=-all']

/**
 * Starts `lanyard ARGS` in the project's folder, under the command line of `wrap`.
 *
 * @param program another that was bundled beside it
 * @param node the command line that is Node.js
 */
export function startProgram(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  wrap: readonly string[] = [],
  program = MAIN,
  node: readonly string[] = [process.execPath],
): { child: ChildProcess; ended: Promise<Ended> } {
  const [command = '', ...rest] = [...wrap, ...node, program, ...args]
  const child = spawn(command, rest, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status) => resolve({ status, stdout, stderr }))
  })
  return { child, ended }
}

/** Runs `lanyard ARGS` to its end. */
export function runProgram(...args: readonly string[]): Promise<Ended> {
  return startProgram(args).ended
}
