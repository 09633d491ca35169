/** Docker's door, opened and closed: the socket and what serves it. */
import { randomBytes } from 'node:crypto'
import type { Server } from 'node:http'
import type { DoorEngine } from '../../engine/types.ts'
import type { NetworkDesk, ReadSpec } from './network-driver.ts'
import { Networks } from './networks.ts'
import { Waiting } from './pools.ts'
import { type Heard, makeServer } from './server.ts'

export interface DockerDoorOptions {
  readonly engine: DoorEngine
  readonly readSpec: ReadSpec
  readonly listen: (server: Server) => Promise<void>
  readonly tell: (sentence: string) => void
  readonly heard: (what: Heard) => void
}

export interface DockerDoor {
  readonly desk: NetworkDesk
  /** Answers what was asked and takes no more. */
  close(): Promise<void>
}

/**
 * Opens the door. It keeps nothing of its own: a crash leaves what the engine has, and the socket
 * file, which the next daemon takes away.
 *
 * @throws what `listen` throws
 */
export async function openDockerDoor(options: DockerDoorOptions): Promise<DockerDoor> {
  const { engine, readSpec, tell, heard, listen } = options
  const desk: NetworkDesk = {
    engine,
    networks: await Networks.load(engine),
    waiting: new Waiting(),
    nonce: () => randomBytes(6).toString('hex'),
    readSpec,
    tell,
  }
  const server = makeServer(desk, heard)
  await listen(server)
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeIdleConnections()
    })
  return { desk, close }
}
