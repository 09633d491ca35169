/** A transcript on the simulator, in this process: what `lanyard lab up` and `lab shell` do. */
import { LabSource } from '../../src/lab/source.ts'
import { makeLive, openLive } from '../../src/lab/live.ts'
import { readLab } from '../../src/lab/read.ts'
import { Recorder } from '../../src/lab/recorder.ts'
import { MachineFabric, machineIn } from '../../src/shell/machine.ts'
import { runCommand } from '../../src/shell/run.ts'
import { type Inside, insideLine, openSession, type Output } from '../../src/shell/session.ts'
import type { Topology } from '../../src/lab/topology.ts'
import type { Typist } from './play.ts'

export async function openSim(lab: string): Promise<Typist> {
  const [topology] = readLab(new LabSource('lab.yaml', lab)) as [Topology]
  const options = { lab: topology.lab, file: 'lab.yaml', seed: 1 }
  const base = await makeLive(topology, options, () => {
    throw new Error('the lab of a transcript runs nothing itself')
  })
  const world = await openLive(base, [])
  const recorder = new Recorder(world)
  let inside: Inside | undefined
  const type = async (node: string, line: string): Promise<Output> => {
    const about = machineIn(world, node, recorder)
    const out = await runCommand(openSession(new MachineFabric(recorder, node), '', about), line)
    await recorder.settle()
    return out
  }
  return {
    type: async (node, line, isInside) => {
      if (!isInside) {
        const out = await type(node, line)
        inside = out.inside
        return out
      }
      if (inside === undefined) return { code: 1, stdout: '', stderr: 'no shell is open\n' }
      if (line !== 'exit') return type(node, insideLine(inside, line))
      const end = inside.atEnd
      inside = undefined
      if (end !== undefined) await type(node, end)
      return { code: 0, stdout: '', stderr: '' }
    },
    why: () => undefined,
    close: async () => undefined,
  }
}
