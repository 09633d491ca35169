/** A Compose file as far as it speaks of networks; the rest is let through, to be said. */
import * as z from 'zod/mini'
import type { LabSource } from '../source.ts'
import type { Draft } from './draft.ts'
import type { Names } from './foreign.ts'

const say = (what: string) => ({ error: `must be ${what}` })
const text = (what: string) => z.string(say(what))
const scalar = (what: string) => z.union([z.string(), z.number(), z.boolean()], say(what))
const texts = (what: string) => z.array(scalar(what), say(`a list of ${what}`))

const attachment = z.nullable(
  z.looseObject(
    {
      ipv4_address: z.optional(text('an address')),
      ipv6_address: z.optional(text('an address')),
      mac_address: z.optional(text('a MAC address')),
      interface_name: z.optional(text('the name of a link')),
    },
    say('a mapping with ipv4_address, ipv6_address, mac_address, ...'),
  ),
)

const service = z.looseObject(
  {
    networks: z.optional(
      z.union(
        [z.array(z.string()), z.record(z.string(), attachment)],
        say('a list of networks, or a mapping of networks to {ipv4_address: ..., ...}'),
      ),
    ),
    network_mode: z.optional(text('bridge, host, none or service:NAME')),
    mac_address: z.optional(text('a MAC address')),
    sysctls: z.optional(
      z.union(
        [texts('KEY=VALUE'), z.record(z.string(), scalar('a text or number'))],
        say('a mapping of sysctls, or a list of KEY=VALUE'),
      ),
    ),
    expose: z.optional(texts('a port')),
    scale: z.optional(z.int(say('a whole number'))),
    deploy: z.optional(z.looseObject({ replicas: z.optional(z.int(say('a whole number'))) })),
  },
  say('a mapping: image, networks, ...'),
)

const pool = z.looseObject(
  {
    subnet: z.optional(text('a subnet like 192.168.8.0/24')),
    gateway: z.optional(text('an address')),
    ip_range: z.optional(text('a part of the subnet')),
    aux_addresses: z.optional(
      z.record(z.string(), text('an address'), say('a mapping of names to addresses')),
    ),
  },
  say('a mapping with subnet, gateway, ip_range, aux_addresses'),
)

const network = z.nullable(
  z.looseObject(
    {
      driver: z.optional(text('a driver like macvlan')),
      driver_opts: z.optional(
        z.nullable(z.record(z.string(), scalar('a text'), say('a mapping of options'))),
      ),
      ipam: z.optional(
        z.looseObject(
          { config: z.optional(z.array(pool, say('a list: {subnet: ...} each'))) },
          say('a mapping with config'),
        ),
      ),
      internal: z.optional(z.boolean(say('true or false'))),
      external: z.optional(z.unknown()),
    },
    say('a mapping: driver, driver_opts, ipam, ...'),
  ),
)

/** The whole file. */
export const composeSchema = z.looseObject({
  name: z.optional(text('a name')),
  services: z.optional(z.record(z.string(), service, say('a mapping of names to services'))),
  networks: z.optional(
    z.nullable(z.record(z.string(), network, say('a mapping of names to networks'))),
  ),
})

export type ComposeFile = z.infer<typeof composeSchema>
export type ComposeService = NonNullable<ComposeFile['services']>[string]
export type ComposeNetwork = NonNullable<NonNullable<ComposeFile['networks']>[string]>

/** What of a Compose network a lab has: its name there. */
export interface Carried {
  readonly name: string
  /** ipvlan l3 and l3s: the way out is the link itself, and no gateway. */
  readonly layer3: boolean
}

/** Where the pieces of a Compose file go. */
export interface Compose {
  readonly draft: Draft
  readonly source: LabSource
  readonly file: ComposeFile
  readonly names: Names
  /** The host all of it runs on. */
  readonly host: string
  /** Networks the lab has, by their name in the file. */
  readonly carried: ReadonlyMap<string, Carried>
}
