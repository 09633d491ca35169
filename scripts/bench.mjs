// `npm run bench -- NAME...`: runs bench/NAME.ts, one after another; without a name, says which
// there are.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'

// npm runs this in the root of the project.
const names = readdirSync('bench')
  .filter((name) => !['harness.ts', 'worlds.ts', 'flood.ts', 'reach-fleet.ts'].includes(name))
  .map((name) => name.slice(0, -3))
const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !names.includes(name))
if (asked.length === 0 || unknown.length > 0) {
  for (const name of unknown) console.error(`no bench "${name}"`)
  console.error(`npm run bench -- NAME...   with NAME one of: ${names.join(' ')}`)
  process.exit(2)
}
for (const name of asked) {
  const run = spawnSync(process.execPath, ['scripts/run.mjs', `bench/${name}.ts`], {
    stdio: 'inherit',
  })
  if (run.status !== 0) process.exitCode = 1
}
