/** `lanyard explain ...`: what can be typed; the work is in the files loaded on demand. */
import { type Command, InvalidArgumentError } from 'commander'
import { tryParseIp } from '../addr/ip.ts'
import { ASSUME_NOTHING, type Assume } from '../explain/beyond.ts'
import type { ExplainCliOptions, ProtocolArgument } from './explain-options.ts'

const EXAMPLES = `
FROM is a node; TO a node or an address. On a live host: a container, a namespace, host, pid:N,
NAME.LINK or an address. With one argument: what a code or an error text means. parent LINK: what a
link of this machine is as a parent.

What lies beyond the wire of a live host is assumed, and said. --assume tells it otherwise:
  hairpin         the switch sends frames back by the port they came in by
  host=ADDRESS    somebody out there holds it;  nobody=ADDRESS: nobody does
  vlans=10,20     the VLANs the switch carries tagged (none: vlans=)
  one-switch      all cards of this machine hang on one switch

Examples:
  lanyard explain centos18 ns1 --lab examples/seed-001 --set mode=bridge --set hairpin=false
  lanyard explain box1 10.0.0.1 --lab mylab.yaml --proto tcp/80 --json
  lanyard explain ns1 ns2 --lab mylab.yaml --fix 1       try the first remedy, see who reaches whom
  lanyard explain BRIDGE_NO_HAIRPIN
  lanyard explain "failed to create the macvlan port: device or resource busy"
  sudo lanyard explain parent eth0                         who has it, and what may be put on it
  sudo lanyard explain host web --live                     on this machine, beside a real ping
  sudo lanyard explain host web --live --fix 1             do it, try it, take it back if it fails

Exit status: 0 it works, 1 it fails or depends on who speaks first, 2 bad input.`

export function addExplainCommand(program: Command): void {
  program
    .command('explain')
    .description('why one end reaches another or does not, and what mends it')
    .argument('[from]', 'who asks; alone: a code, or an error text in quotes')
    .argument('[to]', 'who is asked')
    .option('--lab <lab>', 'a lab file or its directory, or the name of a lab that is up')
    .option('--set <variable=value>', 'a value of a matrix variable; once for each', collect, {})
    .option('--proto <protocol>', 'icmp (default), arp, tcp/PORT or udp/PORT', protocol, {
      name: 'icmp',
    })
    .option('-6', 'IPv6 where both ends have it')
    .option('--size <bytes>', 'payload of the ping', size)
    .option('--live', 'on this machine as it stands: containers, namespaces, the host (root)')
    .option('--assume <what>', 'of what lies beyond this machine; once for each', assumption)
    .option(
      '--fix <number>',
      "do this remedy: in the lab that is up, in a copy of a file's lab, or for real with --live",
      number,
    )
    .option('--yes', 'do not ask before a remedy is done for real')
    .option('--json', 'print everything as JSON (schema/explain.schema.json)')
    .option('--pcap <file>', 'write the frames of the journey to a pcapng file')
    .option('--save <file>', 'keep the case of a live host in a file')
    .option('--replay <file>', 'explain a case kept in a file')
    .addHelpText('after', EXAMPLES)
    .action(
      async (from: string | undefined, to: string | undefined, options: ExplainCliOptions) => {
        const { explainCommand } = await import('./explain.ts')
        process.exitCode = await explainCommand(from, to, options)
      },
    )
}

export function collect(
  text: string,
  before: Readonly<Record<string, string>>,
): Record<string, string> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('Write variable=value.')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

export function assumption(text: string, before: Assume = ASSUME_NOTHING): Assume {
  const at = text.indexOf('=')
  const [what, value] = at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
  if (what === 'hairpin' && value === undefined) return { ...before, hairpin: true }
  if (what === 'one-switch' && value === undefined) return { ...before, oneSwitch: true }
  const ip = tryParseIp(value ?? '')
  if (what === 'host' && ip !== undefined) return { ...before, hosts: [...before.hosts, ip] }
  if (what === 'nobody' && ip !== undefined) return { ...before, nobody: [...before.nobody, ip] }
  if (what === 'vlans' && value !== undefined) {
    const vlans = value === '' ? [] : value.split(',').map(Number)
    if (vlans.every((id) => Number.isInteger(id) && id >= 1 && id <= 4094)) {
      return { ...before, vlans }
    }
    throw new InvalidArgumentError('A VLAN is a whole number from 1 to 4094.')
  }
  throw new InvalidArgumentError(
    'It is hairpin, host=ADDRESS, nobody=ADDRESS, vlans=10,20 or one-switch.',
  )
}

function protocol(text: string): ProtocolArgument {
  if (text === 'icmp' || text === 'arp') return { name: text }
  const match = /^(tcp|udp)\/(\d{1,5})$/.exec(text)
  const port = Number(match?.[2])
  if (match === null || port < 1 || port > 65_535) {
    throw new InvalidArgumentError('It is icmp, arp, tcp/PORT or udp/PORT.')
  }
  return { name: match[1] as 'tcp' | 'udp', port }
}

function number(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('It is 1, 2, 3, ...')
  return value
}

function size(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0 || value > 65_507) {
    throw new InvalidArgumentError('It is a whole number from 0 to 65507.')
  }
  return value
}
