/**
 * Writes the frames of a lab to pcapng files, one a combination. Blocks are written as they come,
 * so a killed run leaves files that can be read up to their end.
 */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { LanyardError } from '../errors.ts'
import { endKey } from '../lab/cables.ts'
import type { FrameSink } from '../lab/run.ts'
import type { Topology } from '../lab/topology.ts'
import { formatVariables } from '../lab/variables.ts'
import { interfaceBlock, packetBlock, sectionBlock } from '../wire/pcapng.ts'

/** @throws LanyardError `file-unreadable` when a file cannot be made */
export function pcapSink(
  folder: string,
  topologies: readonly Topology[],
): (combination: number) => FrameSink {
  return (combination) => {
    const topology = topologies[combination - 1] as Topology
    const out = create(folder, pcapName(topology))
    writeSync(out, sectionBlock())
    const links = new Map<string, number>()
    return {
      link(node, link) {
        links.set(endKey(node, link), links.size)
        writeSync(out, interfaceBlock({ name: `${node}/${link}` }))
      },
      frame(node, link, frame) {
        const direction = frame.type === 'outgoing' ? 'out' : 'in'
        const index = links.get(endKey(node, link)) ?? 0
        writeSync(
          out,
          packetBlock({ link: index, timeNs: frame.timeNs, direction, bytes: frame.bytes }),
        )
      },
      end() {
        closeSync(out)
        return Promise.resolve()
      },
    }
  }
}

/** `seed-001_mode-vepa_hairpin-true.pcapng` */
export function pcapName({ lab, variables }: Topology): string {
  const values = formatVariables(variables).replace(/=/g, '-').replace(/\s+/g, '_')
  const name = values === '' ? lab : `${lab}_${values}`
  return `${name.replace(/[^\w.-]/g, '-')}.pcapng`
}

function create(folder: string, name: string): number {
  const file = join(folder, name)
  try {
    mkdirSync(folder, { recursive: true })
    return openSync(file, 'w')
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new LanyardError('file-unreadable', { file, why }, { cause: error })
  }
}
