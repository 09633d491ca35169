/** `lanyard docker status`: whether Docker is served, and what of it is ours. */
import { join } from 'node:path'
import { LanyardError } from '../errors.ts'
import { DockerApi } from '../plugin/docker/api.ts'
import { networkName } from '../plugin/docker/networks.ts'
import { dockerApi } from './docker-door.ts'
import { INSTALLED, isOurs, readIf } from './docker-install.ts'
import { EXIT } from './failure.ts'
import { DOCKER_SOCKET } from './place.ts'
import { formatTable } from './table.ts'

export interface DockerStatusOptions {
  readonly root: string
  readonly json?: boolean
  readonly dockerApi?: string
}

/** @returns 1 when Docker is not served */
export async function dockerStatus(options: DockerStatusOptions): Promise<number> {
  const files = INSTALLED.map((path) => {
    const text = readIf(join(options.root, path))
    const state = text === undefined ? 'not there' : isOurs(path, text) ? 'installed' : 'not ours'
    return { path: join(options.root, path), state }
  })
  const door = await answerOf(() => new DockerApi(DOCKER_SOCKET).ask('POST', '/Plugin.Activate'))
  const api = new DockerApi(options.dockerApi ?? dockerApi())
  const docker = await answerOf(() => api.version())
  const networks = docker.ok ? await ours(api) : []
  const served = door.ok && docker.ok
  if (options.json === true) {
    const plugin = { socket: DOCKER_SOCKET, answers: door.ok }
    const all = { served, plugin, docker: docker.value ?? null, files, networks }
    process.stdout.write(`${JSON.stringify(all, undefined, 2)}\n`)
    return served ? EXIT.ok : EXIT.missed
  }
  const lines = [
    door.ok ? `plugin  answers at ${DOCKER_SOCKET}` : `plugin  ${door.why}: sudo lanyard daemon`,
    docker.ok ? `docker  ${String(docker.value)}` : `docker  ${docker.why}`,
    ...files.map(({ path, state }) => `${state.padEnd(9)} ${path}`),
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
  if (networks.length > 0) {
    const rows = networks.map((one) => [one.name, one.lanyard, one.ipam, one.containers.join(', ')])
    process.stdout.write(`\n${formatTable(['DOCKER', 'LANYARD', 'IPAM', 'CONTAINERS'], rows)}`)
  }
  return served ? EXIT.ok : EXIT.missed
}

async function ours(api: DockerApi) {
  const networks = (await api.networks()).filter((one) => one.Driver === 'lanyard')
  return await Promise.all(
    networks.map(async ({ Id, Name, IPAM }) => ({
      name: Name,
      id: Id,
      lanyard: networkName(Id),
      ipam: IPAM.Driver,
      containers: Object.values((await api.network(Id)).Containers ?? {}).map((one) => one.Name),
    })),
  )
}

type Answer =
  | { readonly ok: true; readonly value: unknown; readonly why?: undefined }
  | { readonly ok: false; readonly value?: undefined; readonly why: string }

async function answerOf(ask: () => Promise<unknown>): Promise<Answer> {
  try {
    return { ok: true, value: await ask() }
  } catch (error) {
    if (!(error instanceof LanyardError)) throw error
    return { ok: false, why: error.message }
  }
}
