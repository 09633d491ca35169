/** The frames of a journey as a pcapng file: every link it touched, in and out. */
import { writeFileSync } from 'node:fs'
import type { Answer } from '../explain/ask.ts'
import type { SimFabric } from '../sim/fabric.ts'
import { encodeFrame } from '../wire/codec.ts'
import { interfaceBlock, packetBlock, sectionBlock } from '../wire/pcapng.ts'
import { writing } from './files.ts'

/** @throws LanyardError `file-unwritable` */
export function writeJourney(file: string, { steps }: Answer, { world }: SimFabric): void {
  const seen = steps.filter(
    (s) => (s.action === 'tx' || s.action === 'rx') && s.frame !== undefined && s.device >= 0,
  )
  const links = [...new Set(seen.map((s) => s.device))]
  const blocks = [sectionBlock()]
  for (const id of links) {
    const netns = world.devices[id]?.netns.name ?? ''
    blocks.push(interfaceBlock({ name: `${netns}/${world.devices[id]?.name ?? id}` }))
  }
  for (const { device, timeNs, action, frame } of seen) {
    if (frame === undefined) continue
    const direction = action === 'tx' ? 'out' : 'in'
    const bytes = encodeFrame(frame)
    blocks.push(packetBlock({ link: links.indexOf(device), timeNs, direction, bytes }))
  }
  writing(file, () => writeFileSync(file, Buffer.concat(blocks)))
}
