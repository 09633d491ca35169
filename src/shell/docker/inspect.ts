/** What `docker network inspect` and `docker inspect` print, in Docker's order of keys. */
import { formatIp, parseIp } from '../../addr/ip.ts'
import { contains } from '../../addr/prefix.ts'
import { familyOfPool, prefixOf } from './pools.ts'
import {
  type Daemon,
  type DockerContainer,
  type DockerNetwork,
  type DockerPlace,
  idOf,
} from './state.ts'

function lengthIn(network: DockerNetwork | undefined, ip: string): number {
  const parsed = parseIp(ip)
  const pool = network?.pools.find((p) => contains(prefixOf(p), parsed))
  return pool === undefined ? 0 : prefixOf(pool).length
}

const slashed = (network: DockerNetwork, ip: string | undefined): string =>
  ip === undefined ? '' : `${ip}/${lengthIn(network, ip)}`

export function inspectNetwork(daemon: Daemon, network: DockerNetwork): unknown {
  const here = daemon.containers.flatMap((container) =>
    container.places
      .filter((p) => p.network === network.name && p.now !== undefined)
      .map(({ now }) => [
        container.id,
        {
          Name: container.name,
          EndpointID: now?.endpoint ?? '',
          MacAddress: now?.mac ?? '',
          IPv4Address: slashed(network, now?.ip),
          IPv6Address: slashed(network, now?.ip6),
        },
      ]),
  )
  return {
    Name: network.name,
    Id: network.id,
    Created: daemon.date(network.createdNs),
    Scope: 'local',
    Driver: network.driver,
    ...(daemon.dialect === '29' ? { EnableIPv4: true } : {}),
    EnableIPv6: network.ipv6,
    IPAM: {
      Driver: 'default',
      Options: {},
      Config: network.pools.map((pool) => ({
        Subnet: pool.subnet,
        ...(pool.range === undefined ? {} : { IPRange: pool.range }),
        ...(pool.shown ? { Gateway: pool.gateway } : {}),
        ...(Object.keys(pool.aux).length === 0 ? {} : { AuxiliaryAddresses: pool.aux }),
      })),
    },
    Internal: network.internal,
    Attachable: network.attachable,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: Object.fromEntries(here),
    Options: network.options,
    Labels: network.labels,
  }
}

/** The parts of `docker inspect` a lab knows: state, command and networks. */
export function inspectContainer(daemon: Daemon, c: DockerContainer): unknown {
  const [path = '', ...args] = c.command
  const sandbox = idOf(`sandbox ${c.id}`)
  return {
    Id: c.id,
    Created: daemon.date(c.createdNs),
    Path: path,
    Args: args,
    State: {
      Status: c.status,
      Running: c.status === 'running',
      Paused: false,
      Restarting: false,
      OOMKilled: false,
      Dead: false,
      ExitCode: c.exitCode,
      Error: '',
      StartedAt: c.startedNs === undefined ? NEVER : daemon.date(c.startedNs),
      FinishedAt: c.endedNs === undefined ? NEVER : daemon.date(c.endedNs),
    },
    Name: `/${c.name}`,
    RestartCount: 0,
    Platform: 'linux',
    HostConfig: { NetworkMode: c.places[0]?.network ?? 'none', AutoRemove: c.autoRemove },
    Config: {
      Hostname: c.id.slice(0, 12),
      Tty: c.tty,
      OpenStdin: c.stdin,
      Cmd: c.command,
      Image: c.image,
    },
    NetworkSettings: {
      Bridge: '',
      SandboxID: c.status === 'running' ? sandbox : '',
      SandboxKey: c.status === 'running' ? `/var/run/docker/netns/${sandbox.slice(0, 12)}` : '',
      Networks: Object.fromEntries(c.places.map((p) => [p.network, placeOf(daemon, c, p)])),
    },
  }
}

const NEVER = '0001-01-01T00:00:00Z'

function placeOf(daemon: Daemon, container: DockerContainer, place: DockerPlace): unknown {
  const network = daemon.findNetwork(place.network)
  const { now, wantedIp, wantedIp6 } = place
  const config = {
    ...(wantedIp === undefined ? {} : { IPv4Address: wantedIp }),
    ...(wantedIp6 === undefined ? {} : { IPv6Address: wantedIp6 }),
  }
  const routed = network?.driver === 'ipvlan' && network.mode !== 'l2'
  const gateway = (family: 4 | 6, ip: string | undefined): string => {
    if (ip === undefined || network === undefined || routed) return ''
    const parsed = parseIp(ip)
    const pool = network.pools.find(
      (p) => familyOfPool(p) === family && contains(prefixOf(p), parsed),
    )
    return pool?.gateway === undefined ? '' : formatIp(parseIp(pool.gateway))
  }
  return {
    IPAMConfig: Object.keys(config).length === 0 ? null : config,
    Links: null,
    Aliases: [container.id.slice(0, 12)],
    NetworkID: network?.id ?? '',
    EndpointID: now?.endpoint ?? '',
    Gateway: gateway(4, now?.ip),
    IPAddress: now?.ip ?? '',
    IPPrefixLen: now?.ip === undefined ? 0 : lengthIn(network, now.ip),
    IPv6Gateway: gateway(6, now?.ip6),
    GlobalIPv6Address: now?.ip6 ?? '',
    GlobalIPv6PrefixLen: now?.ip6 === undefined ? 0 : lengthIn(network, now.ip6),
    MacAddress: now?.mac ?? '',
    DriverOpts: null,
  }
}
