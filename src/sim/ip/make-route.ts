/** Routes with every field said. */
import type { Ip } from '../../addr/ip.ts'
import type { Device } from '../model.ts'
import { type Route, type RouteKind, SCOPE_GLOBAL, TABLE_MAIN } from './state.ts'

export function makeRoute(
  kind: RouteKind,
  to: Ip,
  length: number,
  dev: Device | undefined,
  rest: Partial<Omit<Route, 'kind' | 'to' | 'length' | 'dev'>> = {},
): Route {
  return {
    to,
    length,
    kind,
    via: rest.via,
    dev,
    source: rest.source,
    metric: rest.metric ?? 0,
    table: rest.table ?? TABLE_MAIN,
    scope: rest.scope ?? SCOPE_GLOBAL,
    protocol: rest.protocol ?? 'boot',
    onlink: rest.onlink ?? false,
    mtu: rest.mtu ?? 0,
    expires: rest.expires ?? 0,
    exceptions: undefined,
  }
}
