/** The routing tables of a namespace. */
import { Fib } from './fib.ts'
import type { NetnsIp } from './state.ts'

/** `fib_get_table`: undefined until a route was put there. */
export function findTable(ns: NetnsIp, family: 4 | 6, id: number): Fib | undefined {
  return (family === 4 ? ns.tables4 : ns.tables6).get(id)
}

/** `fib_new_table`, `fib6_new_table`. */
export function makeTable(ns: NetnsIp, family: 4 | 6, id: number): Fib {
  const tables = family === 4 ? ns.tables4 : ns.tables6
  let fib = tables.get(id)
  if (fib === undefined) {
    fib = new Fib()
    tables.set(id, fib)
  }
  return fib
}

/** All tables, IPv4 first. */
export function* fibTables(ns: NetnsIp): Generator<Fib, void, undefined> {
  yield* ns.tables4.values()
  yield* ns.tables6.values()
}
