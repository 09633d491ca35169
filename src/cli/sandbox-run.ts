/**
 * `lanyard run`: a command in a network namespace of its own, on a network, as long as it runs.
 *
 * The command is started from inside the namespace by this process itself: fork(2) inherits the
 * namespace of the calling thread, so neither `ip netns exec` nor nsenter(1) is needed. Only the
 * network is separate: files, processes and /sys are the host's.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { constants } from 'node:os'
import { parseIp } from '../addr/ip.ts'
import { parseMac } from '../addr/mac.ts'
import type { Engine } from '../engine/types.ts'
import { LanyardError } from '../errors.ts'
import { createNetns, inNetns } from '../kernel/netns.ts'
import { openKernel } from '../kernel/fabric.ts'
import { type AddressOptions, describeEndpoint } from './network-connect.ts'
import { addressesIn } from './network-pools.ts'
import { openPlaceEngine, type PlaceOptions, withEngine } from './place.ts'
import { beginRun, removeSandbox, sweepRuns } from './run-records.ts'

export interface RunOptions extends AddressOptions, PlaceOptions {
  readonly network: readonly string[]
  readonly name?: string
  readonly quiet?: boolean
}

/** As a shell and Docker have it: found but not to be run, and not found. */
const NOT_RUNNABLE = 126
const NOT_FOUND = 127

/** @returns the exit status of the command; 128 + N when signal N ended it */
export async function sandboxRun(command: readonly string[], options: RunOptions): Promise<number> {
  const name = options.name ?? `run-${randomBytes(3).toString('hex')}`
  // Asked first: a clear refusal for those who may use the daemon but not make a namespace.
  await (await openKernel()).close()
  const signals = catchSignals()
  try {
    const networks = await withEngine(options, async (engine) => {
      await sweepRuns(options, engine)
      return await Promise.all(options.network.map(async (net) => (await engine.network(net)).name))
    })
    const record = beginRun(options, name, networks)
    const sandbox = { name, networks }
    try {
      createNetns(name)
    } catch (error) {
      // Somebody else's namespace of that name stays.
      record.end()
      throw error
    }
    let status: number
    try {
      const { engine } = await openPlaceEngine(options)
      let closing: Promise<void> | undefined
      try {
        await connectAll(engine, sandbox, options)
        // Closing waits for what goes on in the background; the command need not.
        closing = engine.close()
        status = signals.caught() ?? (await runInside(name, command, signals))
      } finally {
        await (closing ?? engine.close())
      }
    } finally {
      // A daemon may have come or gone meanwhile.
      await withEngine(options, (engine) => removeSandbox(engine, sandbox))
      record.end()
    }
    return status
  } finally {
    signals.done()
  }
}

async function connectAll(
  engine: Engine,
  { name, networks }: { readonly name: string; readonly networks: readonly string[] },
  options: RunOptions,
): Promise<void> {
  const kernel = await openKernel()
  await kernel.apply([{ do: 'link.set', netns: name, name: 'lo', up: true }])
  await kernel.close()
  const ips = [...options.ip, ...options.ip6].map(parseIp)
  const { macAddress, gwPriority } = options
  const placed = new Set<unknown>()
  for (const [i, network] of networks.entries()) {
    const { pools } = await engine.network(network)
    const last = i === networks.length - 1
    // An address that fits nowhere goes to the last network, whose refusal names it.
    const own = addressesIn(pools, ips)
    const addresses = last ? ips.filter((ip) => own.includes(ip) || !placed.has(ip)) : own
    for (const ip of own) placed.add(ip)
    const endpoint = await engine.connect({
      network,
      endpoint: name,
      sandbox: name,
      ...(addresses.length === 0 ? {} : { addresses }),
      ...(macAddress === undefined || i > 0 ? {} : { mac: parseMac(macAddress) }),
      ...(gwPriority === undefined ? {} : { gatewayPriority: gwPriority }),
    })
    if (options.quiet !== true) process.stderr.write(`${describeEndpoint(endpoint)}\n`)
  }
}

interface Signals {
  /** From now on they go to the child. */
  toChild(child: ChildProcess): void
  /** Exit status for a signal that came before there was a child. */
  caught(): number | undefined
  done(): void
}

const FORWARDED = [
  'SIGINT',
  'SIGTERM',
  'SIGHUP',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGWINCH',
] as const
/** What the terminal itself sends to the whole foreground group. */
const FROM_TERMINAL = new Set<string>(['SIGINT', 'SIGQUIT', 'SIGWINCH'])

/** Signals end the command, not this process, which has a namespace to take away. */
function catchSignals(): Signals {
  let child: ChildProcess | undefined
  let early: number | undefined
  const handlers = FORWARDED.map((signal) => {
    const handler = (): void => {
      if (child === undefined) {
        if (!['SIGWINCH', 'SIGUSR1', 'SIGUSR2'].includes(signal)) early = numberOf(signal)
      } else if (!(process.stdin.isTTY && FROM_TERMINAL.has(signal))) child.kill(signal)
    }
    process.on(signal, handler)
    return [signal, handler] as const
  })
  return {
    toChild: (running) => {
      child = running
    },
    caught: () => (early === undefined ? undefined : 128 + early),
    done: () => {
      for (const [signal, handler] of handlers) process.off(signal, handler)
    },
  }
}

const numberOf = (signal: NodeJS.Signals): number => constants.signals[signal]

function runInside(
  netns: string,
  [command = '', ...args]: readonly string[],
  signals: Signals,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = inNetns(netns, () => spawn(command, args, { stdio: 'inherit' }))
    signals.toChild(child)
    child.once('error', (error: NodeJS.ErrnoException) => reject(notRun(command, error)))
    child.once('exit', (code, signal) =>
      resolve(signal === null ? (code ?? 0) : 128 + numberOf(signal)),
    )
  })
}

function notRun(command: string, error: NodeJS.ErrnoException): LanyardError {
  const why =
    { ENOENT: 'there is no such command', EACCES: 'permission denied' }[error.code ?? ''] ??
    error.message
  return new LanyardError('command-missing', { command, why }, { cause: error })
}

/** 127 or 126 for a command that could not be started; undefined for any other failure. */
export function statusOfNotRun(error: unknown): number | undefined {
  if (!(error instanceof LanyardError) || error.code !== 'command-missing') return undefined
  const { code } = (error.cause ?? {}) as NodeJS.ErrnoException
  return code === 'ENOENT' ? NOT_FOUND : NOT_RUNNABLE
}
