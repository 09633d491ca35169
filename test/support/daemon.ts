/** A daemon in this process, on a socket of its own, before an engine in memory. */
import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { FakeEngine } from '../../src/daemon/fake-engine.fixture.ts'
import { type Daemon, type DaemonOptions, startDaemon } from '../../src/daemon/serve.ts'
import { printPlan } from '../../src/fabric/print-ip.ts'

export interface TestDaemon {
  readonly socket: string
  readonly state: string
  readonly engine: FakeEngine
  readonly daemon: Daemon
  close(): Promise<void>
}

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  /** The body as JSON; undefined when it is none. */
  readonly json: Record<string, unknown>
}

/** Locks by name, within this process. */
export function memoryLocks(): DaemonOptions['tryLock'] {
  const held = new Set<string>()
  return (path) => {
    if (held.has(path)) return undefined
    held.add(path)
    return { release: () => void held.delete(path) }
  }
}

export async function openTestDaemon(options: Partial<DaemonOptions> = {}): Promise<TestDaemon> {
  const folder = mkdtempSync(join(tmpdir(), 'lanyard-'))
  const engine = new FakeEngine()
  const socket = join(folder, 'l.sock')
  const state = join(folder, 'state')
  const daemon = await startDaemon({
    socket,
    state,
    version: '0.0.0-test',
    openEngine: () => Promise.resolve(engine),
    printPlan,
    tryLock: memoryLocks(),
    peerOf: () => ({ pid: 1, uid: 0, gids: [0] }),
    log: pino({ level: 'silent' }),
    ...options,
  })
  const close = async (): Promise<void> => {
    await daemon.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  return { socket, state, engine, daemon, close }
}

/** One request, whatever it is. */
export function ask(
  socket: string,
  method: string,
  path: string,
  body?: string,
  headers: Record<string, string> = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: socket, method, path, headers }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => {
        let json: unknown
        try {
          json = JSON.parse(text)
        } catch {
          json = undefined
        }
        const { statusCode: status = 0, headers } = response
        resolve({ status, headers, text, json: json as Record<string, unknown> })
      })
    })
    asked.on('error', reject)
    asked.end(body)
  })
}
