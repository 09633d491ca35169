/** A containerlab topology as far as it speaks of nodes and links; the rest is let through. */
import * as z from 'zod/mini'

const say = (what: string) => ({ error: `must be ${what}` })
const text = (what: string) => z.string(say(what))
const SCALAR = z.union([z.string(), z.number(), z.boolean()], say('a text or number'))

const nodeShape = {
  kind: z.optional(text('a kind like linux or bridge')),
  group: z.optional(text('the name of a group')),
  exec: z.optional(z.nullable(z.array(text('a command line'), say('a list of command lines')))),
  sysctls: z.optional(z.nullable(z.record(z.string(), SCALAR, say('a mapping of sysctls')))),
}
const node = z.nullable(z.looseObject(nodeShape, say('a mapping: kind, image, exec, ...')))

const endpoint = z.looseObject(
  {
    node: text('the name of a node'),
    interface: z.optional(text('the name of a link')),
    mac: z.optional(text('a MAC address')),
  },
  say('a mapping with node and interface'),
)
const END = 'NODE:LINK, or {node: ..., interface: ...}'
const link = z.looseObject(
  {
    type: z.optional(text('veth, host, mgmt-net, macvlan, dummy or vxlan')),
    endpoints: z.optional(
      z.array(z.union([z.string(), endpoint], say(END)), say('a list of two ends')),
    ),
    endpoint: z.optional(endpoint),
    mtu: z.optional(z.int(say('a whole number'))),
    ipv4: z.optional(z.array(z.string(), say('a list of addresses, one an end'))),
    ipv6: z.optional(z.array(z.string(), say('a list of addresses, one an end'))),
  },
  say('a mapping with endpoints'),
)

/** The whole file. */
export const clabSchema = z.looseObject({
  name: z.optional(text('a name')),
  mgmt: z.optional(z.unknown()),
  topology: z.looseObject(
    {
      defaults: z.optional(node),
      kinds: z.optional(z.nullable(z.record(z.string(), node, say('a mapping of kinds')))),
      groups: z.optional(z.nullable(z.record(z.string(), node, say('a mapping of groups')))),
      nodes: z.record(z.string(), node, say('a mapping of names to nodes')),
      links: z.optional(z.nullable(z.array(link, say('a list of links')))),
    },
    say('a mapping with nodes and links'),
  ),
})

export type ClabFile = z.infer<typeof clabSchema>
export type ClabNode = NonNullable<z.infer<typeof node>>
export type ClabLink = z.infer<typeof link>
