/** How `ip route` prints a route (print_route of ip/iproute.c). */
import { formatIp } from '../../addr/ip.ts'
import type { RouteSnapshot } from '../../fabric/snapshot.ts'
import type { IpOptions } from './options.ts'

const TABLES: Readonly<Record<number, string>> = { 255: 'local', 254: 'main', 253: 'default' }

export const tableName = (table: number): string => TABLES[table] ?? String(table)

/** `default`, an address alone when it is a host route, else a prefix. */
export function routeTarget(r: RouteSnapshot): string {
  if (r.to.length === 0) return 'default'
  const full = typeof r.to.address === 'number' ? 32 : 128
  const address = formatIp(r.to.address)
  return r.to.length === full ? address : `${address}/${r.to.length}`
}

/** One line. The table is named when all are listed, the device unless it was filtered for. */
export function printRoute(
  r: RouteSnapshot,
  options: IpOptions,
  allTables: boolean,
  filteredLink: string | undefined,
): string {
  const six = typeof r.to.address === 'bigint'
  const out: string[] = []
  if (r.type !== 'unicast' || options.details) out.push(r.type)
  out.push(routeTarget(r))
  if (r.via !== undefined) out.push('via', formatIp(r.via))
  if (r.link !== undefined && filteredLink === undefined) out.push('dev', r.link)
  if (allTables && r.table !== 254) out.push('table', tableName(r.table))
  if (r.protocol !== 'boot' || options.details) out.push('proto', r.protocol)
  if (!six && (r.scope !== 'global' || options.details)) out.push('scope', r.scope)
  if (r.source !== undefined) out.push('src', formatIp(r.source))
  if (r.metric !== 0) out.push('metric', String(r.metric))
  if (r.linkDown) out.push('linkdown')
  if (r.onlink) out.push('onlink')
  if (six) return `${out.join(' ')} pref medium\n`
  return `${out.join(' ')} \n`
}

/** The same as an object. */
export function jsonRoute(
  r: RouteSnapshot,
  options: IpOptions,
  allTables: boolean,
  filteredLink: string | undefined,
): object {
  const six = typeof r.to.address === 'bigint'
  const flags = [...(r.onlink ? ['onlink'] : []), ...(r.linkDown ? ['linkdown'] : [])]
  return {
    ...(r.type !== 'unicast' || options.details ? { type: r.type } : {}),
    dst: routeTarget(r),
    ...(r.via === undefined ? {} : { gateway: formatIp(r.via) }),
    ...(r.link === undefined || filteredLink !== undefined ? {} : { dev: r.link }),
    ...(allTables && r.table !== 254 ? { table: tableName(r.table) } : {}),
    ...(r.protocol !== 'boot' || options.details ? { protocol: r.protocol } : {}),
    ...(!six && (r.scope !== 'global' || options.details) ? { scope: r.scope } : {}),
    ...(r.source === undefined ? {} : { prefsrc: formatIp(r.source) }),
    ...(r.metric === 0 ? {} : { metric: r.metric }),
    flags,
    ...(six ? { pref: 'medium' } : {}),
  }
}
