/** `lanyard`: addresses and errors, which every other sub-path speaks in. Runs in a browser. */
export * from './addr/eui64.ts'
export * from './addr/ip.ts'
export { formatIp4, parseIp4, tryParseIp4 } from './addr/ip4.ts'
export { formatIp6, parseIp6, tryParseIp6 } from './addr/ip6.ts'
export * from './addr/mac.ts'
export * from './addr/prefix.ts'
export * from './addr/range.ts'
export * from './errors.ts'
