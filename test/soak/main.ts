/**
 * `npm run soak -- [--minutes 5] [--seed 1] [--members 3] [--fabric kernel|uml]`, as root on Linux
 * with etcd: two hosts that share an etcd, while sandboxes, daemons and members come and go. The
 * hosts are namespaces, or (`uml`) have a kernel each. Ends with 1 when an address was there twice,
 * or kernel, table and store do not agree.
 */
import { umlMissing } from '../../src/kernel/uml-boot.ts'
import { whyNoEtcd } from '../support/etcd.ts'
import { withGuestSlot } from '../support/guest-slot.ts'
import { buildProgramAnd, removeProgram } from '../support/program.ts'
import { refuseScript, scriptOptions, wholeNumber } from '../support/script-options.ts'
import { TwoHosts } from '../support/two-hosts.ts'
import { soak } from './soak.ts'
import { UML_PROGRAMS, UmlHosts } from './uml-hosts.ts'

const USAGE =
  'npm run soak -- [--minutes NUMBER] [--seed WHOLE-NUMBER] [--members 1|3] [--fabric kernel|uml]'
const values = scriptOptions(USAGE, {
  minutes: { type: 'string', default: '5' },
  seed: { type: 'string', default: '1' },
  members: { type: 'string', default: '3' },
  fabric: { type: 'string', default: 'kernel' },
})
const [minutes, members] = [Number(values.minutes), Number(values.members)]
if (!(minutes > 0)) refuseScript(USAGE, `--minutes is a number above 0, not "${values.minutes}"`)
if (![1, 3].includes(members)) refuseScript(USAGE, `--members is 1 or 3, not "${values.members}"`)
const seed = wholeNumber(USAGE, 'seed', values.seed)
const { fabric } = values
if (fabric !== 'kernel' && fabric !== 'uml')
  refuseScript(USAGE, `--fabric is kernel or uml, not "${fabric}"`)
const uml = fabric === 'uml'
const missing =
  process.getuid?.() === 0
    ? (whyNoEtcd() ?? (uml ? umlMissing() : undefined))
    : 'this needs root, and Linux'
/** To boot, to mend and to compare takes guests some minutes. */
const BESIDES_MS = 15 * 60_000
const open = () =>
  uml ? UmlHosts.open(members, minutes * 60_000 + BESIDES_MS) : TwoHosts.open(members)
if (missing !== undefined) {
  console.error(missing)
  process.exitCode = 2
} else {
  await buildProgramAnd(uml ? UML_PROGRAMS : {})
  try {
    const options = { seconds: minutes * 60, seed, open, log: (line: string) => console.log(line) }
    const run = () => soak(options)
    const { wrong, ...result } = await (uml ? withGuestSlot(run) : run())
    console.log(JSON.stringify(result, undefined, 2))
    for (const line of wrong) console.log(`WRONG ${line}`)
    console.log(wrong.length === 0 ? 'kernel, table and store agree' : `${wrong.length} wrong`)
    if (wrong.length > 0) process.exitCode = 1
  } finally {
    removeProgram()
  }
}
