/**
 * IpamDriver: Docker asks for addresses before it says what for. A claim of the engine holds each
 * until its endpoint comes.
 */
import { familyOf, formatIp, type Ip } from '../../addr/ip.ts'
import type { DoorEngine } from '../../engine/types.ts'
import { LanyardError } from '../../errors.ts'
import type { Networks } from './networks.ts'
import {
  ADDRESS_SPACE,
  addressOf,
  firstOf,
  makePool,
  type Pool,
  readPool,
  type Waiting,
  withLength,
} from './pools.ts'
import { LABEL, type Request } from './protocol.ts'

export interface IpamDesk {
  readonly engine: DoorEngine
  readonly networks: Networks
  readonly waiting: Waiting
  readonly nonce: () => string
}

/**
 * No MAC is asked for: Docker would make up a random one at each start of a container, and the
 * network driver could not give the one that stays the same (docs/decisions, Docker's door).
 */
export const IPAM_CAPABILITIES = { RequiresMACAddress: false, RequiresRequestReplay: false }

export const ADDRESS_SPACES = {
  LocalDefaultAddressSpace: ADDRESS_SPACE,
  GlobalDefaultAddressSpace: ADDRESS_SPACE,
}

export function requestPool(desk: IpamDesk, request: Request<'IpamDriver.RequestPool'>): unknown {
  const { Pool: subnet, SubPool: range, Options: options, V6: v6 } = request
  const [unknown] = Object.keys(options ?? {})
  if (unknown !== undefined) {
    const why = `unknown IPAM option "${unknown}": Lanyard's addresses have none; driver options go with -o`
    throw new LanyardError('docker-refused', { why })
  }
  const pool = makePool(subnet ?? '', range ?? '', v6, desk.nonce())
  desk.waiting.add(pool)
  return { PoolID: pool.id, Pool: request.Pool, Data: {} }
}

export function releasePool(desk: IpamDesk, request: Request<'IpamDriver.ReleasePool'>): unknown {
  desk.waiting.forget(request.PoolID)
  return {}
}

/** Durable before it is answered. */
export async function requestAddress(
  desk: IpamDesk,
  request: Request<'IpamDriver.RequestAddress'>,
): Promise<unknown> {
  const pool = readPool(request.PoolID)
  const wanted = request.Address ? addressOf(request.Address) : undefined
  const network = desk.networks.ofPool(pool.id)
  if (network === undefined) return answer(beforeNetwork(desk, pool, wanted, request.Options), pool)
  if (isGateway(request.Options)) return answer(wanted ?? firstOf(pool), pool)
  const name = request.Options?.[LABEL.endpointName]
  const ip = await desk.engine.claim({
    network,
    family: familyOf(pool.subnet.address),
    ...(wanted === undefined ? {} : { address: wanted }),
    ...(typeof name === 'string' ? { name } : {}),
    avoid: (one) => desk.networks.isPinned(network, one),
  })
  if (typeof name === 'string') desk.networks.expect(network, ip, name)
  return answer(ip, pool)
}

const isGateway = (options: Readonly<Record<string, unknown>> | null): boolean =>
  options?.[LABEL.addressType] === LABEL.gateway

const answer = (ip: Ip, pool: Pool) => ({ Address: withLength(ip, pool), Data: {} })

/** The gateway, and what is to be excluded; they become the engine's with the network. */
function beforeNetwork(
  { waiting }: IpamDesk,
  pool: Pool,
  wanted: Ip | undefined,
  options: Readonly<Record<string, unknown>> | null,
): Ip {
  if (wanted === undefined && !isGateway(options)) {
    const why =
      'these addresses belong to no network of Lanyard: "--ipam-driver lanyard" goes with "-d lanyard"'
    throw new LanyardError('docker-refused', { why })
  }
  if (wanted === undefined) return waiting.invent(pool)
  waiting.take(pool, wanted)
  return wanted
}

export async function releaseAddress(
  desk: IpamDesk,
  request: Request<'IpamDriver.ReleaseAddress'>,
): Promise<unknown> {
  if (!request.Address) return {}
  const ip = addressOf(request.Address)
  const network = desk.networks.ofPool(request.PoolID)
  if (network === undefined) desk.waiting.free(request.PoolID, ip)
  else await desk.engine.unclaim(network, ip)
  return {}
}

/** Names an endpoint by what stays: the container's name where Docker says it, else its address. */
export const nameOf = (networks: Networks, network: string, ips: readonly Ip[]): string => {
  for (const ip of ips) {
    const name = networks.expected(network, ip)
    if (name !== undefined) return name
  }
  const [ip] = ips
  return ip === undefined ? '' : formatIp(ip)
}
