/** Networks of Docker and podman, as the doctor looks at them. Reads only. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { parseIp } from '../addr/ip.ts'
import { parsePrefix } from '../addr/prefix.ts'
import { parseRange } from '../addr/range.ts'
import type { LanNetwork } from '../doctor/facts.ts'
import { dockerGet } from './containers.ts'

/** Where netavark keeps networks, as root. */
const PODMAN = '/etc/containers/networks'

type Pool = LanNetwork['pools'][number]

interface DockerNetwork {
  readonly Name: string
  readonly Driver: string
  readonly Internal?: boolean
  readonly Options?: Readonly<Record<string, string>> | null
  readonly IPAM?: {
    readonly Config?:
      | readonly {
          readonly Subnet?: string
          readonly IPRange?: string
          readonly Gateway?: string
        }[]
      | null
  }
}

/** @throws Error when Docker does not answer */
export async function dockerNetworks(socket: string): Promise<readonly LanNetwork[]> {
  if (!existsSync(socket)) return []
  const all = (await dockerGet(socket, '/networks')) as readonly DockerNetwork[]
  return all.flatMap((one): LanNetwork[] => {
    const { Options: options } = one
    // Lanyard's own are told by Lanyard.
    if (['host', 'null', 'lanyard'].includes(one.Driver)) return []
    return [
      {
        owner: 'Docker',
        name: one.Name,
        driver: one.Driver,
        mode: options?.['macvlan_mode'] ?? options?.['ipvlan_mode'],
        parent: options?.['parent'],
        internal: one.Internal === true,
        pools: (one.IPAM?.Config ?? []).flatMap(({ Subnet, IPRange, Gateway }) =>
          Subnet === undefined ? [] : poolOf(Subnet, IPRange, Gateway),
        ),
      },
    ]
  })
}

interface PodmanNetwork {
  readonly name?: string
  readonly driver?: string
  readonly network_interface?: string
  readonly internal?: boolean
  readonly options?: Readonly<Record<string, string>>
  readonly subnets?: readonly {
    readonly subnet: string
    readonly gateway?: string
    readonly lease_range?: { readonly start_ip?: string; readonly end_ip?: string }
  }[]
}

/** What netavark wrote down; a file that is none of its is passed over. */
export function podmanNetworks(folder = PODMAN): readonly LanNetwork[] {
  if (!existsSync(folder)) return []
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'))
  return files.flatMap((file): LanNetwork[] => {
    const one = readJson(`${folder}/${file}`) as PodmanNetwork | undefined
    if (one?.name === undefined || one.driver === undefined) return []
    return [
      {
        owner: 'podman',
        name: one.name,
        driver: one.driver,
        mode: one.options?.['mode'],
        parent: one.driver === 'bridge' ? undefined : one.network_interface,
        internal: one.internal === true,
        pools: (one.subnets ?? []).flatMap(({ subnet, gateway, lease_range: lease }) =>
          poolOf(subnet, leaseRange(lease), gateway),
        ),
      },
    ]
  })
}

/** Subnets that cannot be read are nobody's. */
function poolOf(subnet: string, range: string | undefined, gateway: string | undefined): Pool[] {
  try {
    return [
      {
        subnet: parsePrefix(subnet),
        range: range === undefined || range === '' ? undefined : parseRange(range),
        gateway: gateway === undefined || gateway === '' ? undefined : parseIp(gateway),
      },
    ]
  } catch {
    return []
  }
}

function leaseRange(
  lease: { readonly start_ip?: string; readonly end_ip?: string } | undefined,
): string | undefined {
  const { start_ip: first, end_ip: last } = lease ?? {}
  return first === undefined || last === undefined ? undefined : `${first}-${last}`
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}
