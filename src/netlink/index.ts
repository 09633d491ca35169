/**
 * `lanyard/netlink`: rtnetlink as attribute tables, requests, dumps and events. It has no socket: a
 * {@link Transport} is passed in. Runs anywhere.
 */
export * from './attribute.ts'
export * from '../errno.ts'
export * from './event.ts'
export * from './message.ts'
export * from './request.ts'
export * from './tables/address.ts'
export * from './tables/bridge.ts'
export * from './tables/header.ts'
export * from './tables/link.ts'
export * from './tables/neighbour.ts'
export * from './tables/netconf.ts'
export * from './tables/nsid.ts'
export * from './tables/qdisc.ts'
export * from './tables/route.ts'
export * from './tables/rule.ts'
export type * from './transport.ts'
