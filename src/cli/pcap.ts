/**
 * Writes the frames of a lab to pcapng files, one a combination. The simulator also tells in a
 * comment why a frame ended, once it has.
 *
 * Blocks are written as they come (a simulated lab's in batches), so a killed run leaves files that
 * can be read up to their end.
 */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Fabric } from '../fabric/fabric.ts'
import { REASONS } from '../fabric/reason.ts'
import { endKey } from '../lab/cables.ts'
import type { FrameSink, RunOptions } from '../lab/run.ts'
import type { Topology } from '../lab/topology.ts'
import { formatVariables } from '../lab/variables.ts'
import { SimFabric } from '../sim/fabric.ts'
import type { World } from '../sim/model.ts'
import type { RawStep } from '../sim/trace-ring.ts'
import type { Frame } from '../wire/frame.ts'
import { type CapturePacket, interfaceBlock, packetBlock, sectionBlock } from '../wire/pcapng.ts'
import { writing } from './files.ts'

/** Trace steps after which what was captured is written; far fewer than a trace keeps. */
const BATCH_STEPS = 8192
const KEPT_STEPS = 32_768

/** @throws LanyardError `file-unwritable` when a file cannot be made */
export function pcapSink(
  folder: string,
  topologies: readonly Topology[],
): NonNullable<RunOptions['capture']> {
  return (combination, fabric): FrameSink =>
    pcapFile(create(folder, pcapName(topologies[combination - 1] as Topology)), fabric)
}

/** Standard output, which is not ours to close. */
const STDOUT = 1
const FULL_MS = 2

/**
 * A sink that writes to an open file, which it closes at its end.
 *
 * @param onLeft called when nobody reads it any more (`... | head`); what comes then is dropped
 */
export function pcapFile(
  out: number,
  fabric: Fabric,
  onLeft: () => void = () => undefined,
): FrameSink {
  let left = false
  const put = (bytes: Uint8Array): void => {
    if (left || writeAll(out, bytes)) return
    left = true
    onLeft()
  }
  put(sectionBlock())
  const links = new Map<string, number>()
  const notes = fabric instanceof SimFabric ? new Notes(fabric.world) : undefined
  const write = (packet: CapturePacket): void => put(packetBlock(packet))
  return {
    link(node, link) {
      links.set(endKey(node, link), links.size)
      notes?.announce(node, link)
      put(interfaceBlock({ name: `${node}/${link}` }))
    },
    frame(node, link, { timeNs, type, bytes, frame }) {
      const direction = type === 'outgoing' ? 'out' : 'in'
      const packet = {
        link: links.get(endKey(node, link)) ?? 0,
        timeNs,
        direction,
        bytes,
      } as const
      if (notes === undefined || frame === undefined) return write(packet)
      notes.add({ node, link, frame, packet })
      if (notes.steps >= BATCH_STEPS) for (const noted of notes.take()) write(noted)
    },
    end() {
      for (const noted of notes?.take() ?? []) write(noted)
      if (out !== STDOUT) closeSync(out)
      return Promise.resolve()
    },
  }
}

/** @returns false where it is a pipe that nobody reads any more */
function writeAll(out: number, bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(out, bytes, at)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EPIPE') return false
      if (code !== 'EAGAIN') throw error
      // A pipe that is full: frames wait in the kernel meanwhile.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_MS)
    }
  }
  return true
}

interface Seen {
  readonly node: string
  readonly link: string
  readonly frame: Frame
  readonly packet: CapturePacket
}

/** Frames captured in a simulated world, until the trace has told how each ended. */
class Notes {
  readonly #world: World
  /** By number: names are gone when a lab is removed, and its last frames still unexplained. */
  readonly #links = new Map<number, { readonly node: string; readonly link: string }>()
  readonly #nodes = new Map<number, string>()
  #seen: Seen[] = []
  #since: number

  constructor(world: World) {
    this.#world = world
    world.trace = world.trace.forkWithRoom(KEPT_STEPS)
    this.#since = world.trace.count
  }

  /** Steps of the trace not looked at yet. */
  get steps(): number {
    return this.#world.trace.count - this.#since
  }

  announce(node: string, link: string): void {
    const netns = this.#world.netns.get(node)
    const device = netns?.byName.get(link)
    if (netns !== undefined) this.#nodes.set(netns.id, node)
    if (device !== undefined) this.#links.set(device.id, { node, link })
  }

  add(seen: Seen): void {
    this.#seen.push(seen)
  }

  /** The packets so far, with comments. */
  take(): CapturePacket[] {
    const byFrame = new Map<Frame, Seen[]>()
    for (const seen of this.#seen) {
      byFrame.set(seen.frame, [...(byFrame.get(seen.frame) ?? []), seen])
    }
    const comments = new Map<Seen, string[]>()
    for (const step of this.#world.trace.read(this.#since).steps) {
      const { reason, frame } = step
      if (reason === undefined || frame === undefined) continue
      const seen = this.#placeOf(step, byFrame.get(frame) ?? [])
      if (seen === undefined) continue
      const to = this.#links.get(step.to)
      const fate = to === undefined ? 'dropped' : `not out of ${to.link}`
      const text = `${fate}: ${reason}: ${REASONS[reason].says}`
      comments.set(seen, [...new Set([...(comments.get(seen) ?? []), text])])
    }
    const packets = this.#seen.map((seen): CapturePacket => {
      const said = comments.get(seen)
      return said === undefined ? seen.packet : { ...seen.packet, comment: said.join('\n') }
    })
    this.#seen = []
    this.#since = this.#world.trace.count
    return packets
  }

  /** Where a frame was last captured before it ended: on the link itself, or beside it. */
  #placeOf(step: RawStep, all: readonly Seen[]): Seen | undefined {
    const node = this.#nodes.get(step.netns)
    const link = this.#links.get(step.device)?.link
    const here = all.filter((s) => s.node === node && s.packet.timeNs <= step.timeNs)
    return here.findLast((s) => s.link === link) ?? here.at(-1)
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
  return writing(file, () => {
    mkdirSync(folder, { recursive: true })
    return openSync(file, 'w')
  })
}
