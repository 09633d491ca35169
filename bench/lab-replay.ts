/**
 * A journal of 1,000 commands, played: what opening a lab costs who typed that much. Beside it
 * the lab alone, made and played, and the same commands typed.
 */
import { LabSource } from '../src/lab/source.ts'
import type { JournalRecord } from '../src/lab/journal.ts'
import { makeLive, openLive } from '../src/lab/live.ts'
import { readLab } from '../src/lab/read.ts'
import { Recorder } from '../src/lab/recorder.ts'
import type { Topology } from '../src/lab/topology.ts'
import { MachineFabric } from '../src/shell/machine.ts'
import { runCommand } from '../src/shell/run.ts'
import { openSession } from '../src/shell/session.ts'
import { measure, timeMs } from './harness.ts'

const NODES = 100
const COMMANDS = 1000
const rows = Array.from(
  { length: NODES },
  (_, n) => `  c${n}: {host: h, net: lan=10.0.0.${n + 10}}`,
)
const LAB = `lab: bench-replay
switches: {sw: {ports: {p0: {}, p1: {}}}}
hosts:
  h: {nics: {eth0: {to: sw:p0, addr: 10.0.0.1/24}}}
  x: {nics: {eth0: {to: sw:p1, addr: 10.0.0.2/24}}}
networks:
  lan: {driver: macvlan, parent: eth0, subnet: 10.0.0.0/24, gateway: 10.0.0.2}
containers:
${rows.join('\n')}
`

await measure('lab-replay', async () => {
  const [topology] = readLab(new LabSource('lab.yaml', LAB)) as [Topology]
  const up = () =>
    makeLive(topology, { lab: 'bench-replay', file: 'lab.yaml', seed: 1 }, () => {
      throw new Error('the lab runs nothing')
    })
  const base = await up()
  const recorder = new Recorder(await openLive(base, []))
  const records: JournalRecord[] = []
  const type = async (line: string): Promise<void> => {
    const out = await runCommand(openSession(new MachineFabric(recorder, 'h')), line)
    if (out.code !== 0) throw new Error(`${line}: ${out.stderr}`)
    const calls = recorder.take()
    records.push({ node: 'h', line, code: out.code, atNs: recorder.clock.nowNs(), calls })
  }
  const typed = await timeMs(async () => {
    for (let n = 0; n < COMMANDS; n++) {
      await type(
        n % 2 === 0 ? 'ip address add 10.1.0.1/24 dev eth0' : 'ip address del 10.1.0.1/24 dev eth0',
      )
    }
  })
  const open = await timeMs(() => openLive(base, []))
  return {
    question: `what does a journal of ${COMMANDS} commands cost on a lab of ${NODES} macvlan nodes?`,
    unit: 'ms',
    better: 'lower',
    contestants: [
      {
        name: `${COMMANDS} commands played, the lab included`,
        run: () => timeMs(() => openLive(base, records)),
      },
      { name: 'the lab alone, played', run: () => timeMs(() => openLive(base, [])) },
      { name: 'the lab made: lab up', run: () => timeMs(up) },
      { name: 'the commands typed once', run: () => typed + open },
    ],
  }
})
