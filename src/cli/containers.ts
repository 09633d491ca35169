/**
 * Containers of this machine by their names: Docker's over its socket, podman's from its files.
 * Reads only; an engine that is not there has no containers.
 */
import { existsSync, readFileSync } from 'node:fs'
import { request } from 'node:http'

export const DOCKER_SOCKET = '/run/docker.sock'
const TIMEOUT_MS = 3000
/** Where podman keeps what it knows, as root. */
const PODMAN = { store: '/var/lib/containers/storage', run: '/run/containers/storage' } as const
const DRIVERS = ['overlay', 'vfs', 'btrfs', 'zfs'] as const
/** A container's id in the cgroup of its processes. */
const IN_CGROUP = /(?:docker|libpod|cri-containerd|crio)[-/]([0-9a-f]{64})/

export interface Container {
  readonly engine: 'docker' | 'podman'
  readonly id: string
  readonly name: string
  /** Its first process; undefined when it does not run. */
  readonly pid: number | undefined
  /** As its engine says it: `running`, `exited`, `Exited (0) 3 hours ago`. */
  readonly state: string
  /** The file its namespace is bound to. */
  readonly file: string | undefined
}

/** What an engine answered. */
export interface EngineFacts {
  readonly containers: readonly Container[]
  /** Why it could not be asked although it is there. */
  readonly silent: string | undefined
}

/** The containers of every engine found. */
export async function listContainers(socket = DOCKER_SOCKET): Promise<EngineFacts> {
  const docker = await dockerContainers(socket)
  return { containers: [...docker.containers, ...podmanContainers()], silent: docker.silent }
}

interface Listed {
  readonly Id: string
  readonly Names?: readonly string[]
  readonly State?: string
  readonly Status?: string
}

interface Inspected {
  readonly State?: { readonly Pid?: number }
  readonly NetworkSettings?: { readonly SandboxKey?: string }
}

async function dockerContainers(socket: string): Promise<EngineFacts> {
  if (!existsSync(socket)) return { containers: [], silent: undefined }
  try {
    const listed = (await dockerGet(socket, '/containers/json?all=1')) as readonly Listed[]
    const containers = await Promise.all(listed.map((one) => dockerContainer(socket, one)))
    return { containers, silent: undefined }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return { containers: [], silent: `Docker does not answer at ${socket}: ${why}` }
  }
}

async function dockerContainer(socket: string, listed: Listed): Promise<Container> {
  const { Id: id, Names: names = [], State: state = '', Status: status } = listed
  const base = {
    engine: 'docker',
    id,
    name: names[0]?.replace(/^\//, '') ?? id.slice(0, 12),
    state: state === 'running' ? state : (status ?? state),
  } as const
  if (state !== 'running' && state !== 'paused') {
    return { ...base, pid: undefined, file: undefined }
  }
  // Between the list and this it may have gone.
  const found = await dockerGet(socket, `/containers/${id}/json`).catch(() => ({}))
  const { State: now, NetworkSettings: net } = found as Inspected
  const key = net?.SandboxKey ?? ''
  const pid = now?.Pid ?? 0
  return {
    ...base,
    pid: pid > 0 ? pid : undefined,
    file: key === '' ? undefined : key.replace(/^\/var\/run\//, '/run/'),
  }
}

/** Asks Docker's API. @throws Error when it does not answer, or not well */
export function dockerGet(socket: string, path: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { socketPath: socket, path, headers: { host: 'docker' }, timeout: TIMEOUT_MS },
      (response) => {
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(parts).toString('utf8')
          const { statusCode = 0 } = response
          if (statusCode !== 200) reject(new Error(`it answers ${statusCode} to ${path}`))
          else {
            try {
              resolve(JSON.parse(text))
            } catch {
              reject(new Error(`it answers no JSON to ${path}`))
            }
          }
        })
      },
    )
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)))
    asked.on('error', reject)
    asked.end()
  })
}

/** What podman wrote down; its own program would take a tenth of a second to say the same. */
export function podmanContainers(folders: { store: string; run: string } = PODMAN): Container[] {
  return DRIVERS.flatMap((driver) => {
    const listed = readJson(`${folders.store}/${driver}-containers/containers.json`)
    if (!Array.isArray(listed)) return []
    return listed.flatMap((one: { id?: unknown; names?: unknown }): Container[] => {
      if (typeof one.id !== 'string') return []
      const folder = `${folders.run}/${driver}-containers/${one.id}/userdata`
      const pid = Number(readText(`${folder}/pidfile`)?.trim())
      const alive = pid > 0 && existsSync(`/proc/${pid}/ns/net`)
      const name: unknown = Array.isArray(one.names) ? one.names[0] : undefined
      return [
        {
          engine: 'podman',
          id: one.id,
          name: typeof name === 'string' ? name : one.id.slice(0, 12),
          pid: alive ? pid : undefined,
          state: alive ? 'running' : 'not running',
          file: undefined,
        },
      ]
    })
  })
}

/** The container a process is of, by its cgroup: for engines nobody could be asked about. */
export function containerIdOf(pid: number): string | undefined {
  return IN_CGROUP.exec(readText(`/proc/${pid}/cgroup`) ?? '')?.[1]
}

/** The command of a process. */
export function commandOf(pid: number): string | undefined {
  return readText(`/proc/${pid}/comm`)?.trim()
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
