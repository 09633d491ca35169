/** Switches and their ports. */
import { resolveImpair } from './impair.ts'
import { ONE_SORT, parsePort } from './phrases.ts'
import type { Resolving } from './resolving.ts'
import type { LabFile } from './schema.ts'
import type { Path } from './source.ts'
import type { Port, Switch } from './topology.ts'

type SwitchFile = NonNullable<LabFile['switches']>[string]
type PortFile = Exclude<SwitchFile['ports'][string], string>

/** Ports come without their peers: cables are written on the nics, see resolve-hosts.ts. */
export function resolveSwitches(reading: Resolving): Switch[] {
  return Object.entries(reading.file.switches ?? {}).map(([name, sw]) => {
    const typed = Object.entries(sw.ports).map(([port, value]) =>
      longForm(reading, ['switches', name, 'ports', port], port, value),
    )
    const vlans = typed.some((p) => p.options.access ?? p.options.trunk ?? p.options.native)
    return {
      name,
      vlanFiltering: typeof sw.vlanFiltering === 'boolean' ? sw.vlanFiltering : vlans,
      ports: typed.map((p) => ({
        ...resolvePort(p.name, p.options),
        impair: resolveImpair(
          reading.source,
          ['switches', name, 'ports', p.name, 'impair'],
          p.options.impair,
        ),
      })),
    }
  })
}

function longForm(
  { source }: Resolving,
  path: Path,
  name: string,
  value: string | PortFile,
): { name: string; options: PortFile } {
  if (typeof value === 'string') {
    const parsed = parsePort(value)
    if (!parsed.ok) source.problem(path, parsed.sentence)
    return { name, options: parsed.ok ? (parsed.value as PortFile) : {} }
  }
  if (value.access !== undefined && (value.trunk !== undefined || value.native !== undefined)) {
    const list =
      value.trunk === undefined ? `native ${value.native}` : `trunk ${value.trunk.join(' ')}`
    source.problem(
      [...path, value.trunk === undefined ? 'native' : 'trunk'],
      `${list} contradicts access ${value.access}: ${ONE_SORT}`,
      'key',
    )
  }
  return { name, options: value }
}

function resolvePort(name: string, options: PortFile): Omit<Port, 'impair'> {
  const access = number(options.access)
  const trunk = (options.trunk ?? []).map(Number)
  const native = number(options.native)
  return {
    name,
    tagged: trunk.filter((id) => id !== native),
    pvid: access ?? native ?? (options.trunk === undefined ? 1 : undefined),
    hairpin: options.hairpin === true,
    isolated: options.isolated === true,
    learning: options.learning !== false,
    flood: options.flood !== false,
    up: options.up !== false,
    mtu: number(options.mtu),
    peer: undefined,
  }
}

/** After the variables are put in, only numbers are left. */
export function number(value: number | string | undefined): number | undefined {
  return value === undefined ? undefined : Number(value)
}
