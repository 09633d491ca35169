/** Docker's door, handed what it needs: engine, the words of `-o`, a socket, a log. */
import type { openLog } from '../daemon/log.ts'
import type { Door } from '../daemon/serve.ts'
import { listen } from '../daemon/listen.ts'
import type { DoorEngine } from '../engine/types.ts'
import { LanyardError } from '../errors.ts'
import { openDockerDoor } from '../plugin/docker/open.ts'
import { specOfDocker } from './network-options.ts'

const CLOSED: Door = { close: () => Promise.resolve() }

/** A door that cannot be opened is told and left: everybody else is served all the same. */
export async function openDocker(
  engine: DoorEngine | undefined,
  socket: string | undefined,
  log: ReturnType<typeof openLog>,
): Promise<Door> {
  if (engine === undefined || socket === undefined) return CLOSED
  try {
    const door = await openDockerDoor({
      engine,
      readSpec: specOfDocker,
      listen: (server) => listen(server, socket, undefined),
      tell: (sentence) => log.warn(sentence),
      heard: ({ method, ms, error, defect }) => {
        const line = { docker: method, ms: Math.round(ms * 100) / 100 }
        if (defect !== undefined) log.error({ ...line, err: defect }, 'defect')
        else if (error !== undefined) log.warn(line, error)
        else log.debug(line, 'docker')
      },
    })
    log.info({ socket }, 'docker')
    return door
  } catch (error) {
    if (!(error instanceof LanyardError)) throw error
    log.warn({ socket }, `Docker is not served: ${error.message}`)
    return CLOSED
  }
}
