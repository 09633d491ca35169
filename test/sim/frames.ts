/** Replays the single-frame rows of test/truth in the simulator. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseMac } from '../../src/addr/mac.ts'
import type { Plan } from '../../src/fabric/plan.ts'
import { transmit } from '../../src/sim/core.ts'
import { openSim, type SimFabric } from '../../src/sim/fabric.ts'
import type { Device } from '../../src/sim/model.ts'
import { runUntil } from '../../src/sim/run.ts'
import { ETH_8021Q } from '../../src/wire/frame.ts'
import { makeFrame } from '../../src/wire/make.ts'
import { readCommand } from './commands.ts'

export interface FrameRow {
  readonly inject: {
    readonly dev: string
    readonly src: string
    readonly dst: string
    readonly as?: string
    readonly dst_name?: string
    readonly note?: string
    readonly tag?: number
  }
  readonly pre?: readonly string[]
  readonly kernel?: string
  /** Or what the sender was told at once. */
  readonly delivered:
    | readonly { readonly dev: string; readonly type: string }[]
    | { readonly error: string }
}

export interface FrameFile {
  readonly name: string
  readonly note: string
  readonly setup?: readonly string[]
  readonly extra?: readonly string[]
  readonly bridge_opts?: string
  readonly macs?: Readonly<Record<string, { readonly mac: string; readonly mode?: string }>>
  readonly tests: readonly FrameRow[]
}

export function readTruth(name: string): FrameFile {
  const path = join(import.meta.dirname, '../truth', `${name}.json`)
  return JSON.parse(readFileSync(path, 'utf8')) as FrameFile
}

/** The type of an EtherType nobody handles (local experimental). */
const ETHER_TYPE = 0x88b5
export const TYPES = ['HOST', 'BROADCAST', 'MULTICAST', 'OTHERHOST', 'OUTGOING', 'LOOPBACK']

export function deviceNamed(sim: SimFabric, name: string): Device {
  for (const netns of sim.world.netns.values()) {
    const dev = netns.byName.get(name)
    if (dev !== undefined) return dev
  }
  throw new Error(`no device ${name}`)
}

/** A world with IPv6 off (it would chatter and join groups of its own) and the plan done in it. */
export function build(plan: Plan): SimFabric {
  const sim = openSim()
  for (const op of plan) {
    sim.applyNow([op])
    if (op.do === 'netns.add') sim.applyNow(silence(op.netns))
  }
  return sim
}

/** Turns IPv6 off in a new namespace, as the rows were measured. */
function silence(netns: string): Plan {
  return ['all', 'default'].map((level) => ({
    do: 'sysctl.set',
    netns,
    key: `net.ipv6.conf.${level}.disable_ipv6`,
    value: '1',
  }))
}

/** The ops of the commands of a row; `sleep` is done at once. */
export function perform(sim: SimFabric, commands: readonly string[]): void {
  for (const command of commands) {
    const [program, seconds] = command.split(' ')
    if (program === 'sleep') {
      runUntil(sim.world, sim.world.now + Number(seconds) * 1e9)
      continue
    }
    const ops = readCommand(command)
    if (ops === undefined) throw new Error(`cannot do: ${command}`)
    sim.applyNow(ops)
  }
}

/** Sends the row's frame and says whose stack got it: sorted `device TYPE`. */
export function replay(sim: SimFabric, row: FrameRow): string[] {
  perform(sim, row.pre ?? [])
  const { world } = sim
  const since = world.trace.count
  const { inject } = row
  const tags =
    inject.tag === undefined ? [] : [{ protocol: ETH_8021Q, id: inject.tag, priority: 0 }]
  const packet = { kind: 'raw', bytes: new Uint8Array(46) } as const
  const frame = makeFrame(parseMac(inject.dst), parseMac(inject.src), ETHER_TYPE, packet, 46, tags)
  transmit(world, deviceNamed(sim, inject.dev), frame)
  runUntil(world, world.now + 50e6)
  return world.trace
    .read(since)
    .steps.filter((step) => step.action === 'deliver' && step.frame?.packet === packet)
    .map((step) => `${world.devices[step.device]?.name} ${TYPES[step.to]}`)
    .sort()
}

export function expected(row: FrameRow): string[] {
  if ('error' in row.delivered) return []
  return row.delivered.map(({ dev, type }) => `${dev} ${type}`).sort()
}
