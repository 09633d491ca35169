/**
 * `npm run soak -- [--minutes 5] [--seed 1] [--members 3]`, as root on Linux with etcd: two hosts
 * that share an etcd, while sandboxes, daemons and members come and go. Ends with 1 when an address
 * was there twice, or kernel, table and store do not agree.
 */
import { whyNoEtcd } from '../support/etcd.ts'
import { buildProgram, removeProgram } from '../support/program.ts'
import { refuseScript, scriptOptions, wholeNumber } from '../support/script-options.ts'
import { soak } from './soak.ts'

const USAGE = 'npm run soak -- [--minutes NUMBER] [--seed WHOLE-NUMBER] [--members 1|3]'
const values = scriptOptions(USAGE, {
  minutes: { type: 'string', default: '5' },
  seed: { type: 'string', default: '1' },
  members: { type: 'string', default: '3' },
})
const [minutes, members] = [Number(values.minutes), Number(values.members)]
if (!(minutes > 0)) refuseScript(USAGE, `--minutes is a number above 0, not "${values.minutes}"`)
if (![1, 3].includes(members)) refuseScript(USAGE, `--members is 1 or 3, not "${values.members}"`)
const seed = wholeNumber(USAGE, 'seed', values.seed)
const missing = process.getuid?.() === 0 ? whyNoEtcd() : 'this needs root, and Linux'
if (missing !== undefined) {
  console.error(missing)
  process.exitCode = 2
} else {
  await buildProgram()
  try {
    const { wrong, ...result } = await soak({
      seconds: minutes * 60,
      seed,
      members,
      log: (line) => console.log(line),
    })
    console.log(JSON.stringify(result, undefined, 2))
    for (const line of wrong) console.log(`WRONG ${line}`)
    console.log(wrong.length === 0 ? 'kernel, table and store agree' : `${wrong.length} wrong`)
    if (wrong.length > 0) process.exitCode = 1
  } finally {
    removeProgram()
  }
}
