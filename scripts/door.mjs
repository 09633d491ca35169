// Makes FOLDER/door.cjs and, beside it, its code as V8 compiled it: `node scripts/door.mjs FOLDER`.
// V8 takes compiled code only from the same version of itself; elsewhere the script is compiled as
// any other, and takes as long.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'

const root = join(import.meta.dirname, '..')

/** FOLDER has the program, too: main.mjs. */
export async function buildDoor(folder) {
  await build({
    entryPoints: [join(root, 'src/cli/lab-door.ts')],
    outfile: join(folder, 'door.cjs'),
    bundle: true,
    minify: true,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    // What reads it hands these over, as Node does to a module.
    banner: { js: '(function (require, module) {' },
    footer: { js: '})' },
    logLevel: 'warning',
  })
  const state = mkdtempSync(join(tmpdir(), 'lanyard-door-'))
  try {
    const env = { ...process.env, XDG_STATE_HOME: state, LANYARD_LAB: '' }
    const run = (...words) => {
      const { status, stderr } = spawnSync(process.execPath, words, { env, encoding: 'utf8' })
      if (status !== 0) throw new Error(`node ${words.join(' ')}: ${stderr}`)
    }
    run(join(folder, 'main.mjs'), 'lab', 'up', join(root, 'docs/tutorial/home.yaml'), '-q')
    run(join(root, 'scripts/compile-door.cjs'), folder)
  } finally {
    rmSync(state, { recursive: true, force: true })
  }
}

if (process.argv[1] === import.meta.filename) await buildDoor(process.argv[2])
