/** `lanyard explain ...`: what can be typed; the work is in the files loaded on demand. */
import { type Command, InvalidArgumentError } from 'commander'
import type { ExplainCliOptions, ProtocolArgument } from './explain-options.ts'

const EXAMPLES = `
FROM is a node; TO a node or an address. With one argument: what a code means.

Examples:
  lanyard explain centos18 ns1 --lab examples/seed-001 --set mode=bridge --set hairpin=false
  lanyard explain box1 10.0.0.1 --lab mylab.yaml --proto tcp/80 --json
  lanyard explain ns1 ns2 --lab mylab.yaml --fix 1       try the first remedy, see who reaches whom
  lanyard explain BRIDGE_NO_HAIRPIN

Exit status: 0 it works, 1 it fails or depends on who speaks first, 2 bad input.`

export function addExplainCommand(program: Command): void {
  program
    .command('explain')
    .description('why one end reaches another or does not, and what mends it')
    .argument('<from>', 'who asks; alone: a code to explain')
    .argument('[to]', 'who is asked')
    .option('--lab <lab>', 'a lab file or its directory, or the name of a lab that is up')
    .option('--set <variable=value>', 'a value of a matrix variable; once for each', collect, {})
    .option('--proto <protocol>', 'icmp (default), arp, tcp/PORT or udp/PORT', protocol, {
      name: 'icmp',
    })
    .option('-6', 'IPv6 where both ends have it')
    .option('--size <bytes>', 'payload of the ping', size)
    .option('--fix <number>', 'try this remedy in the simulated lab and show what changes', number)
    .option('--json', 'print everything as JSON (schema/explain.schema.json)')
    .option('--pcap <file>', 'write the frames of the journey to a pcapng file')
    .addHelpText('after', EXAMPLES)
    .action(async (from: string, to: string | undefined, options: ExplainCliOptions) => {
      const { explainCommand } = await import('./explain.ts')
      process.exitCode = await explainCommand(from, to, options)
    })
}

function collect(text: string, before: Readonly<Record<string, string>>): Record<string, string> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('Write variable=value.')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
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
