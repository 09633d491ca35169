/**
 * `lanyard docker adopt`: one of Docker's own macvlan or ipvlan networks becomes one of ours, under
 * its name, with every container's address and MAC as they were. Docker cannot change a network's
 * driver, so it is made anew; what was done is undone when a step fails.
 */
import { LanyardError } from '../errors.ts'
import { DockerApi, type DockerContainer, type DockerNetwork } from '../plugin/docker/api.ts'
import { dockerApi } from './docker-door.ts'

export interface AdoptOptions {
  readonly dryRun?: boolean
  readonly json?: boolean
  readonly dockerApi?: string
}

interface Step {
  readonly what: string
  run(): Promise<unknown>
  /** The way back. */
  undo?(): Promise<unknown>
}

const refuse = (why: string): LanyardError => new LanyardError('docker-refused', { why })

/**
 * A crash in the middle leaves the network and some of its containers apart; the same command again
 * is refused then, since the network is ours already, and `docker network connect --ip` puts the
 * rest back: each step was printed before it was done.
 *
 * @throws LanyardError `docker-refused`, `docker-says`, `docker-unreachable`
 */
export async function dockerAdopt(name: string, options: AdoptOptions): Promise<void> {
  const api = new DockerApi(options.dockerApi ?? dockerApi())
  const network = await api.network(name)
  check(network)
  const containers = await api.containersOn(network.Id)
  const steps = stepsOf(api, network, containers)
  if (options.dryRun === true) {
    for (const { what } of steps) process.stdout.write(`${what}\n`)
    return
  }
  const done: Step[] = []
  for (const step of steps) {
    if (options.json !== true) process.stdout.write(`${step.what}\n`)
    try {
      await step.run()
      done.push(step)
    } catch (error) {
      throw await putBack(done, error)
    }
  }
  const kept = containers.map((one) => {
    const place = one.NetworkSettings.Networks[network.Name]
    return { container: one.Name.slice(1), address: place?.IPAddress ?? '' }
  })
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify({ network: network.Name, kept }, undefined, 2)}\n`)
  }
}

async function putBack(done: readonly Step[], error: unknown): Promise<unknown> {
  const failures: unknown[] = [error]
  for (const step of done.toReversed()) await step.undo?.().catch((e: unknown) => failures.push(e))
  return failures.length === 1 ? error : new AggregateError(failures, 'not all was put back')
}

function check(network: DockerNetwork): void {
  const { Name, Driver, IPAM } = network
  if (Driver === 'lanyard') throw refuse(`network ${Name} is one of Lanyard's already`)
  if (Driver !== 'macvlan' && Driver !== 'ipvlan')
    throw refuse(`network ${Name} is a ${Driver} network: macvlan and ipvlan ones can be adopted`)
  if (IPAM.Driver !== 'default')
    throw refuse(`network ${Name} has its addresses from IPAM driver ${IPAM.Driver}`)
  if ((IPAM.Config ?? []).length === 0) throw refuse(`network ${Name} has no subnet`)
}

function stepsOf(
  api: DockerApi,
  network: DockerNetwork,
  containers: readonly DockerContainer[],
): readonly Step[] {
  const { Name } = network
  const post = (path: string, body: unknown) => api.ask('POST', path, body)
  const disconnect = (one: DockerContainer) =>
    post(`/networks/${encodeURIComponent(Name)}/disconnect`, { Container: one.Id, Force: true })
  const connect = (one: DockerContainer) =>
    post(`/networks/${encodeURIComponent(Name)}/connect`, connectBody(one, Name))
  const remove = () => api.ask('DELETE', `/networks/${encodeURIComponent(Name)}`)
  const create = (body: unknown) => post('/networks/create', body)
  const label = (one: DockerContainer) => one.Name.slice(1)
  return [
    ...containers.map((one) => ({
      what: `docker network disconnect ${Name} ${label(one)}`,
      run: () => disconnect(one),
      undo: () => connect(one),
    })),
    {
      what: `docker network rm ${Name}`,
      run: remove,
      undo: () => create(createBody(network, network.Driver, network.Options ?? {})),
    },
    {
      what: `docker network create -d lanyard --ipam-driver lanyard ${Name}`,
      run: () => create(createBody(network, 'lanyard', ourOptions(network))),
      undo: remove,
    },
    ...containers.map((one) => {
      const place = one.NetworkSettings.Networks[Name]
      const ip = place?.IPAddress ? ` --ip ${place.IPAddress}` : ''
      return {
        what: `docker network connect${ip} ${Name} ${label(one)}`,
        run: () => connect(one),
        undo: () => disconnect(one),
      }
    }),
  ]
}

/** The kind was the driver's name; with us a mode says it. */
function ourOptions({ Driver, Options }: DockerNetwork): Record<string, string> {
  const given = { ...Options }
  if (Driver === 'ipvlan') given['ipvlan_mode'] ??= 'l2'
  return given
}

function createBody(network: DockerNetwork, driver: string, options: Record<string, string>) {
  const { Name, Internal, EnableIPv6, Attachable, Labels, IPAM } = network
  return {
    Name,
    CheckDuplicate: true,
    Driver: driver,
    Internal,
    EnableIPv6,
    Attachable,
    Labels,
    Options: options,
    IPAM: { Driver: driver === 'lanyard' ? 'lanyard' : 'default', Config: IPAM.Config },
  }
}

/** Address and MAC as they were; one that is not running has none but what it asks for. */
function connectBody(one: DockerContainer, network: string) {
  const place = one.NetworkSettings.Networks[network]
  const { IPAddress = '', GlobalIPv6Address = '', MacAddress = '' } = place ?? {}
  return {
    Container: one.Id,
    EndpointConfig: {
      Aliases: place?.Aliases ?? null,
      Links: place?.Links ?? null,
      IPAMConfig:
        IPAddress === ''
          ? (place?.IPAMConfig ?? null)
          : {
              IPv4Address: IPAddress,
              ...(GlobalIPv6Address === '' ? {} : { IPv6Address: GlobalIPv6Address }),
            },
      // Heard since Docker 25; the driver option by every Docker.
      ...(MacAddress === '' ? {} : { DriverOpts: { mac: MacAddress } }),
    },
  }
}
