/**
 * A Kathará lab (lab.conf with a DEVICE.startup beside it for each device) as a lab: collision
 * domains are switches, devices are hosts, and the startup lines are run by the laboratory's shell.
 */
import { tryParseMac } from '../../addr/mac.ts'
import { LabSource } from '../source.ts'
import { checkEnds } from './clab.ts'
import { Draft, type Imported, type Place } from './draft.ts'
import { finishImport } from './finish.ts'
import { type ImportOptions, labNameLike, Names } from './foreign.ts'
import type { ForeignCable, ForeignLine, ForeignNode, RunAt } from './world.ts'

/** A file and its name. */
export interface NamedText {
  readonly file: string
  readonly text: string
}

interface Device extends Place {
  readonly name: string
  /** Domain and MAC by number of the interface. */
  readonly links: Map<number, { readonly domain: string; readonly mac: number | undefined } & Place>
  readonly exec: ForeignLine[]
  readonly sysctls: Map<string, string>
  ipv6: boolean
}

/** `device[arg]=value`, quoted or not, with a comment behind it. */
const LINE = /^([a-z0-9_]{1,30})\[(\w+)\]=(["']?)([^"']+)\3(?:\s+#.*)?$/
const ABOUT = /^LAB_(NAME|DESCRIPTION|VERSION|AUTHOR|EMAIL|WEB)=(.*)$/

/**
 * Imports a Kathará lab.
 *
 * @param beside gives a file that lies beside lab.conf, if it is there
 * @param fallback name of the lab when neither the file nor the options have one
 * @throws LanyardError `lab-invalid` with the places of what is wrong
 */
export async function importKathara(
  conf: NamedText,
  beside: (name: string) => NamedText | undefined,
  fallback: string,
  options: ImportOptions,
  run: RunAt,
): Promise<Imported> {
  const { file } = conf
  const source = new LabSource(file, '')
  const read = readConf(source, conf)
  source.check()
  const name = labNameLike(options.name ?? read.about.get('NAME') ?? fallback)
  const draft = new Draft(name, [
    `From ${file} (Kathará).`,
    'What the startup lines set stands as addresses, routes, links and sysctls of the device;',
    'Kathará has every device forward, and check no source addresses.',
  ])
  const title = read.about.get('DESCRIPTION')
  if (title !== undefined && title !== '') draft.put(['title'], title)
  for (const note of read.notes) draft.note(note, note.sentence)
  const names = new Names()
  for (const device of read.devices) names.take(device.name)
  const { switches, cables } = domains(read.devices, names)
  checkEnds(source, cables)
  source.check()
  const shared = beside('shared.startup')
  const nodes = read.devices.map((device) => {
    const own = beside(`${device.name}.startup`)
    const lines = [shared, own].flatMap((f) => (f === undefined ? [] : linesOf(f)))
    return nodeOf(device, [...lines, ...device.exec])
  })
  return finishImport(draft, { name, nodes: [...switches, ...nodes], cables }, file, run)
}

interface Conf {
  readonly devices: readonly Device[]
  readonly about: ReadonlyMap<string, string>
  readonly notes: readonly (Place & { readonly sentence: string })[]
}

function readConf(source: LabSource, { file, text }: NamedText): Conf {
  const devices = new Map<string, Device>()
  const about = new Map<string, string>()
  const notes: (Place & { readonly sentence: string })[] = []
  for (const [i, raw] of text.split('\n').entries()) {
    const line = raw.trim()
    const place = { file, line: i + 1 }
    if (line === '' || line.startsWith('#')) continue
    const told = ABOUT.exec(line)
    if (told !== null) {
      about.set(told[1] ?? '', (told[2] ?? '').replaceAll(/["']/g, '').trim())
      continue
    }
    const [, name, arg, , value] = LINE.exec(line) ?? []
    if (name === undefined || arg === undefined || value === undefined) {
      source.problemAtLine(
        i + 1,
        `"${line}" is no line of a lab.conf: write DEVICE[0]="DOMAIN" or DEVICE[OPTION]="VALUE"`,
      )
      continue
    }
    const device = devices.get(name) ?? {
      ...{ name, ...place, ipv6: false },
      ...{ links: new Map(), exec: [], sysctls: new Map() },
    }
    devices.set(name, device)
    const sentence = /^\d+$/.test(arg)
      ? plug(source, device, Number(arg), value, place)
      : option(device, arg, value, place)
    if (sentence !== undefined) notes.push({ ...place, sentence })
  }
  if (devices.size === 0) source.problemAtLine(1, 'there is no device: write DEVICE[0]="DOMAIN"')
  return { devices: [...devices.values()], about, notes }
}

function plug(
  source: LabSource,
  device: Device,
  number: number,
  value: string,
  place: Place,
): undefined {
  const [domain = '', address] = value.split('/')
  const mac = address === undefined ? undefined : tryParseMac(address)
  if (!/^\w+$/.test(domain)) {
    source.problemAtLine(place.line, `"${domain}" is no collision domain: letters, digits and "_"`)
  } else if (address !== undefined && mac === undefined) {
    source.problemAtLine(place.line, `"${address}" is no MAC address: write 02:00:00:00:00:01`)
  } else if (device.links.has(number)) {
    source.problemAtLine(
      place.line,
      `${device.name}[${number}] is in a domain already, in line ${device.links.get(number)?.line}`,
    )
  } else device.links.set(number, { domain, mac, ...place })
  return undefined
}

/** Takes an option; gives the sentence for one that is not carried. */
function option(device: Device, key: string, value: string, place: Place): string | undefined {
  if (key === 'exec') device.exec.push({ ...place, text: value })
  else if (key === 'ipv6') device.ipv6 = /^(true|1|yes|on)$/i.test(value)
  else if (key === 'sysctl') {
    const [name = '', ...rest] = value.split('=')
    device.sysctls.set(name.trim(), rest.join('=').trim())
  } else if (key === 'bridged') {
    return `${device.name}: not carried: bridged: its second way out through Docker's bridge leads out of the lab`
  } else return `${device.name}: not carried: ${key} (a lab has networks only)`
  return undefined
}

/** A switch for each collision domain, and a cable for each interface. */
function domains(
  devices: readonly Device[],
  names: Names,
): { readonly switches: ForeignNode[]; readonly cables: ForeignCable[] } {
  const found = new Map<string, ForeignNode>()
  const cables: ForeignCable[] = []
  for (const device of devices) {
    for (const [number, { domain, mac, file, line }] of [...device.links].sort(
      (x, y) => x[0] - y[0],
    )) {
      const known = found.get(domain)
      const sw: ForeignNode = known ?? {
        ...{ name: names.take(domain), kind: 'switch', sysctls: [], lines: [], file, line },
      }
      found.set(domain, sw)
      const port = cables.filter((c) => c.b.node === sw.name).length
      cables.push({
        a: { node: device.name, link: `eth${number}` },
        b: { node: sw.name, link: `p${port}` },
        ...{ mtu: undefined, macs: [mac, undefined], file, line },
      })
    }
  }
  return { switches: [...found.values()], cables }
}

function nodeOf(device: Device, lines: readonly ForeignLine[]): ForeignNode {
  const { name, file, line } = device
  const six = device.ipv6
    ? [
        ['net.ipv6.conf.all.forwarding', '1'] as const,
        ['net.ipv6.conf.all.accept_ra', '0'] as const,
      ]
    : [
        ['net.ipv6.conf.all.disable_ipv6', '1'] as const,
        ['net.ipv6.conf.default.disable_ipv6', '1'] as const,
      ]
  const sysctls = new Map([
    ['net.ipv4.ip_forward', '1'] as const,
    ['net.ipv4.conf.all.rp_filter', '0'] as const,
    ['net.ipv4.conf.default.rp_filter', '0'] as const,
    ...six,
    ...device.sysctls,
  ])
  return { name, kind: 'host', sysctls: [...sysctls], lines, file, line }
}

/** The lines of a script: continued ones joined, comments left out. */
function linesOf({ file, text }: NamedText): ForeignLine[] {
  const lines: ForeignLine[] = []
  let open: { text: string; line: number } | undefined
  for (const [i, raw] of text.split('\n').entries()) {
    const before = open?.text ?? ''
    const line = open?.line ?? i + 1
    if (raw.endsWith('\\')) {
      open = { text: `${before}${raw.slice(0, -1).trim()} `, line }
      continue
    }
    open = undefined
    const whole = `${before}${raw.trim()}`.replace(/\s+#.*$/, '').trim()
    if (whole !== '' && !whole.startsWith('#')) lines.push({ file, line, text: whole })
  }
  return lines
}
