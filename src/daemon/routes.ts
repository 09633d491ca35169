/**
 * What the daemon can be asked, one row a route: the requests are checked, answered and documented
 * (`openapi.ts`) from this table. Every route can be repeated: the second answer equals the first.
 */
import * as z from 'zod/mini'
import { parseIp } from '../addr/ip.ts'
import { formatIp } from '../addr/ip.ts'
import type { Engine } from '../engine/types.ts'
import type { ErrorCode } from '../errors.ts'
import {
  decodeConnect,
  decodeSpec,
  encodeDrift,
  encodeEndpoint,
  encodeHolder,
  encodeLease,
  encodeNetwork,
  encodeOps,
  type Plan,
} from './codec.ts'
import {
  ConnectJson,
  DriftJson,
  EndpointJson,
  HolderJson,
  LeaseJson,
  NetworkJson,
  NetworkSpecJson,
  PlanJson,
  ReservationJson,
  VersionJson,
} from './schema.ts'

/** What a route's work is done with. */
export interface Desk {
  readonly engine: Engine
  /** The command lines that do what a plan does. */
  readonly printPlan: (plan: Plan) => readonly string[]
  readonly version: VersionJson
}

export interface Asked {
  readonly params: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string | undefined>>
  readonly body: unknown
}

export interface Route {
  readonly method: 'get' | 'post' | 'put' | 'delete'
  /** As OpenAPI writes it: `/v1/networks/{network}`. */
  readonly path: string
  /** Name of the operation, for generated clients. */
  readonly id: string
  readonly says: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: z.ZodMiniType
  /** Absent: there is nothing to say, status 204. */
  readonly answer?: z.ZodMiniType
  /** Refusals of its own, beside those any request may meet. */
  readonly refuses: readonly ErrorCode[]
  run(desk: Desk, asked: Asked): Promise<unknown>
}

/** A row whose body is of the type its schema says. */
function route<B extends z.ZodMiniType>(
  row: Omit<Route, 'body' | 'run'> & {
    readonly body?: B
    run(desk: Desk, asked: { readonly body: z.output<B> } & Omit<Asked, 'body'>): Promise<unknown>
  },
): Route {
  return row
}

const at = (asked: Omit<Asked, 'body'>, name: string): string => asked.params[name] ?? ''

const planned = ({ printPlan }: Desk, plan: Plan) => ({
  commands: printPlan(plan),
  ops: encodeOps(plan),
})

export const ROUTES: readonly Route[] = [
  route({
    method: 'get',
    path: '/v1/version',
    id: 'version',
    says: 'Which daemon this is',
    answer: VersionJson,
    refuses: [],
    run: (desk) => Promise.resolve(desk.version),
  }),
  route({
    method: 'get',
    path: '/v1/networks',
    id: 'networks',
    says: 'All networks',
    answer: z.array(NetworkJson),
    refuses: [],
    run: async ({ engine }) => (await engine.networks()).map(encodeNetwork),
  }),
  route({
    method: 'post',
    path: '/v1/networks',
    id: 'createNetwork',
    says: 'Makes a network; the same request again answers with the network that is there',
    body: NetworkSpecJson,
    answer: NetworkJson,
    refuses: ['address-invalid', 'op-refused'],
    run: async ({ engine }, { body }) =>
      encodeNetwork(await engine.createNetwork(decodeSpec(body))),
  }),
  route({
    method: 'get',
    path: '/v1/networks/{network}',
    id: 'network',
    says: 'One network, by its name or id',
    answer: NetworkJson,
    refuses: [],
    run: async ({ engine }, asked) => encodeNetwork(await engine.network(at(asked, 'network'))),
  }),
  route({
    method: 'delete',
    path: '/v1/networks/{network}',
    id: 'removeNetwork',
    says: 'Removes a network that nobody uses, and what was made for it',
    query: {
      disconnect: 'true: its endpoints first, all at once',
      force: 'true: though Docker made it',
    },
    refuses: ['op-refused'],
    run: ({ engine }, asked) =>
      engine.removeNetwork(at(asked, 'network'), {
        disconnect: asked.query['disconnect'] === 'true',
        force: asked.query['force'] === 'true',
      }),
  }),
  route({
    method: 'post',
    path: '/v1/plans/network',
    id: 'planCreate',
    says: 'What making a network would do, without doing it',
    body: NetworkSpecJson,
    answer: PlanJson,
    refuses: ['address-invalid'],
    run: async (desk, { body }) => planned(desk, await desk.engine.planCreate(decodeSpec(body))),
  }),
  route({
    method: 'post',
    path: '/v1/plans/networks/{network}/endpoint',
    id: 'planConnect',
    says: 'What connecting would do, without doing it',
    body: ConnectJson,
    answer: PlanJson,
    refuses: ['address-invalid', 'netns-missing'],
    run: async (desk, asked) => {
      const request = decodeConnect(at(asked, 'network'), asked.body)
      return planned(desk, await desk.engine.planConnect(request))
    },
  }),
  route({
    method: 'get',
    path: '/v1/endpoints',
    id: 'endpoints',
    says: 'All endpoints, or those of one network',
    query: { network: 'name of a network' },
    answer: z.array(EndpointJson),
    refuses: [],
    run: async ({ engine }, { query }) =>
      (await engine.endpoints(query['network'])).map(encodeEndpoint),
  }),
  route({
    method: 'post',
    path: '/v1/networks/{network}/endpoints',
    id: 'connect',
    says: 'Gives a sandbox a place on a network; the same request again answers the same',
    body: ConnectJson,
    answer: EndpointJson,
    refuses: ['address-invalid', 'netns-missing', 'op-refused'],
    run: async ({ engine }, asked) => {
      const request = decodeConnect(at(asked, 'network'), asked.body)
      return encodeEndpoint(await engine.connect(request))
    },
  }),
  route({
    method: 'delete',
    path: '/v1/networks/{network}/endpoints/{endpoint}',
    id: 'disconnect',
    says: 'Takes an endpoint away; a sandbox that is gone is a success',
    refuses: ['op-refused'],
    run: ({ engine }, asked) => engine.disconnect(at(asked, 'network'), at(asked, 'endpoint')),
  }),
  route({
    method: 'get',
    path: '/v1/leases',
    id: 'leases',
    says: 'Addresses that are held, kept or cooling down',
    query: { segment: 'only those of one broadcast domain' },
    answer: z.array(LeaseJson),
    refuses: [],
    run: async ({ engine }, { query }) => (await engine.leases(query['segment'])).map(encodeLease),
  }),
  route({
    method: 'get',
    path: '/v1/addresses/{address}',
    id: 'whoHas',
    says: 'Who has an address: a lease, the host itself, or whoever answers for it on the LAN',
    answer: HolderJson,
    refuses: ['address-invalid'],
    run: async ({ engine }, asked) =>
      encodeHolder(await engine.whoHas(parseIp(at(asked, 'address')))),
  }),
  route({
    method: 'get',
    path: '/v1/networks/{network}/next',
    id: 'nextFree',
    says: 'The addresses the next endpoint would get',
    answer: z.array(z.string()),
    refuses: [],
    run: async ({ engine }, asked) =>
      (await engine.nextFree(at(asked, 'network'))).map((ip) => formatIp(ip)),
  }),
  route({
    method: 'put',
    path: '/v1/networks/{network}/reservations/{address}',
    id: 'reserve',
    says: 'Keeps an address from being handed out',
    body: ReservationJson,
    answer: LeaseJson,
    refuses: ['address-invalid'],
    run: async ({ engine }, asked) => {
      const address = parseIp(at(asked, 'address'))
      return encodeLease(await engine.reserve(at(asked, 'network'), address, asked.body.name))
    },
  }),
  route({
    method: 'delete',
    path: '/v1/networks/{network}/reservations/{address}',
    id: 'release',
    says: 'Gives a kept address back',
    refuses: ['address-invalid'],
    run: ({ engine }, asked) => engine.release(at(asked, 'network'), parseIp(at(asked, 'address'))),
  }),
  route({
    method: 'get',
    path: '/v1/status',
    id: 'status',
    says: 'What is not as it should be; an empty list is good news',
    answer: z.array(DriftJson),
    refuses: [],
    run: async ({ engine }) => (await engine.status()).map(encodeDrift),
  }),
  route({
    method: 'post',
    path: '/v1/reconcile',
    id: 'reconcile',
    says: 'Makes the kernel what the store says; answers with what was found wrong',
    answer: z.array(DriftJson),
    refuses: [],
    run: async ({ engine }) => (await engine.reconcile()).map(encodeDrift),
  }),
]
