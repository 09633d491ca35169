/**
 * `lanyard daemon` that kills itself (SIGKILL) at the step that is written in the file `kill-at` of
 * its state folder: the end of a process that nobody can catch, exactly where a test wants it.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runDaemon } from '../../src/cli/daemon-run.ts'

const { LANYARD_SOCKET: socket = '', LANYARD_STATE: state = '' } = process.env
const order = join(state, 'kill-at')

const faults = {
  at(step: string): Promise<void> | undefined {
    if (!existsSync(order) || readFileSync(order, 'utf8') !== step) return undefined
    process.kill(process.pid, 'SIGKILL')
    return new Promise(() => undefined)
  },
}

await runDaemon({ socket, state, logLevel: 'warn', spares: 0 }, faults)
