/**
 * What dockerd sends to a plugin (libnetwork's remote protocol), as far as it is read, and what is
 * answered. Recorded requests are in recorded.json beside this file.
 */
import * as z from 'zod/mini'

const text = z._default(z.nullable(z.string()), '')
const words = z._default(z.nullable(z.record(z.string(), z.unknown())), {})

const poolData = z.object({
  AddressSpace: text,
  Pool: text,
  Gateway: text,
  AuxAddresses: z._default(z.nullable(z.record(z.string(), z.string())), {}),
})
const pools = z._default(z.nullable(z.array(poolData)), [])
const ofEndpoint = { NetworkID: z.string(), EndpointID: z.string() }

/** Requests by method; one that is not here is answered 404, which dockerd takes for "none". */
export const REQUESTS = {
  'Plugin.Activate': z.unknown(),
  'NetworkDriver.GetCapabilities': z.unknown(),
  'NetworkDriver.GwAllocCheck': z.object({ Options: words }),
  'NetworkDriver.CreateNetwork': z.object({
    NetworkID: z.string(),
    Options: words,
    IPv4Data: pools,
    IPv6Data: pools,
  }),
  'NetworkDriver.DeleteNetwork': z.object({ NetworkID: z.string() }),
  'NetworkDriver.CreateEndpoint': z.object({
    ...ofEndpoint,
    Interface: z._default(
      z.nullable(z.object({ Address: text, AddressIPv6: text, MacAddress: text })),
      { Address: '', AddressIPv6: '', MacAddress: '' },
    ),
    Options: words,
  }),
  'NetworkDriver.EndpointOperInfo': z.object(ofEndpoint),
  'NetworkDriver.DeleteEndpoint': z.object(ofEndpoint),
  'NetworkDriver.Join': z.object({ ...ofEndpoint, SandboxKey: z.string(), Options: words }),
  'NetworkDriver.Leave': z.object(ofEndpoint),
  'NetworkDriver.ProgramExternalConnectivity': z.unknown(),
  'NetworkDriver.RevokeExternalConnectivity': z.unknown(),
  'NetworkDriver.DiscoverNew': z.unknown(),
  'NetworkDriver.DiscoverDelete': z.unknown(),
  'IpamDriver.GetCapabilities': z.unknown(),
  'IpamDriver.GetDefaultAddressSpaces': z.unknown(),
  'IpamDriver.RequestPool': z.object({
    AddressSpace: text,
    Pool: text,
    SubPool: text,
    Options: words,
    V6: z._default(z.boolean(), false),
  }),
  'IpamDriver.ReleasePool': z.object({ PoolID: z.string() }),
  'IpamDriver.RequestAddress': z.object({ PoolID: z.string(), Address: text, Options: words }),
  'IpamDriver.ReleaseAddress': z.object({ PoolID: z.string(), Address: text }),
} as const

export type Method = keyof typeof REQUESTS

export type Request<M extends Method> = z.infer<(typeof REQUESTS)[M]>

export type PoolData = z.infer<typeof poolData>

/** Keys of options that libnetwork itself sets. */
export const LABEL = {
  generic: 'com.docker.network.generic',
  internal: 'com.docker.network.internal',
  ipv6: 'com.docker.network.enable_ipv6',
  gateway: 'com.docker.network.gateway',
  addressType: 'RequestAddressType',
  endpointName: 'com.docker.network.endpoint.name',
  linkName: 'com.docker.network.endpoint.ifname',
} as const

export interface JoinAnswer {
  readonly InterfaceName?: {
    readonly SrcName: string
    readonly DstPrefix: string
    readonly DstName?: string
  }
  readonly Gateway?: string
  readonly GatewayIPv6?: string
  readonly StaticRoutes?: readonly {
    readonly Destination: string
    readonly RouteType: 0 | 1
    readonly NextHop?: string
  }[]
  readonly DisableGatewayService: true
}
