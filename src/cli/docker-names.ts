/**
 * What Docker's users call what Docker had made here: they know their networks and containers by
 * name, the engine knows them by Docker's ids and by address.
 */
import type { Engine } from '../engine/types.ts'

export interface DockerNames {
  /** A network of the engine as a list shows it: `lan (4c288e7db638)`. */
  network(name: string): string
  /** Who holds a place on a network: the container, where it runs. */
  endpoint(network: string, name: string): string
}

const AS_THEY_ARE: DockerNames = { network: (name) => name, endpoint: (_network, name) => name }

/** A name is worth waiting for, but a list must come without it, too. */
const PATIENCE_MS = 1000

/** Asks Docker, where it had networks made; without an answer all is called as the engine does. */
export async function dockerNames(engine: Engine): Promise<DockerNames> {
  const { ID_LABEL } = await import('../plugin/docker/networks.ts')
  const ours = (await engine.networks()).flatMap(({ name, labels }) => {
    const id = labels[ID_LABEL]
    return id === undefined ? [] : [{ name, id }]
  })
  if (ours.length === 0) return AS_THEY_ARE
  const late = new Promise<DockerNames>((resolve) => {
    setTimeout(() => resolve(AS_THEY_ARE), PATIENCE_MS).unref()
  })
  return await Promise.race([late, ask(engine, ours).catch(() => AS_THEY_ARE)])
}

async function ask(
  engine: Engine,
  ours: readonly { readonly name: string; readonly id: string }[],
): Promise<DockerNames> {
  const [{ DockerApi }, { dockerApi }] = await Promise.all([
    import('../plugin/docker/api.ts'),
    import('./docker-door.ts'),
  ])
  const api = new DockerApi(dockerApi())
  const networks = new Map<string, string>()
  const endpoints = new Map<string, string>()
  for (const { name, id } of ours) {
    const { Name, Containers = {} } = await api.network(id)
    networks.set(name, `${Name} (${name})`)
    const known = new Map(Object.values(Containers).map((one) => [one.EndpointID, one.Name]))
    for (const endpoint of await engine.endpoints(name)) {
      const container = known.get(endpoint.id)
      if (container !== undefined) endpoints.set(`${name}/${endpoint.name}`, container)
    }
  }
  return {
    network: (name) => networks.get(name) ?? name,
    endpoint: (network, name) => endpoints.get(`${network}/${name}`) ?? name,
  }
}
