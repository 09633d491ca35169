/** `lanyard run`, `status` and `daemon`: what can be typed; the work is loaded on demand. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { DaemonCommand } from './daemon-run.ts'
import { collect, wholeNumber } from './network-commands.ts'
import { addPlaceOptions } from './place.ts'
import type { RunOptions } from './sandbox-run.ts'
import type { StatusOptions } from './status.ts'

const RUN_EXAMPLES = `
Only the network is separate; files and processes are the host's. The exit status is the command's,
128 + N when signal N ended it, 127 when there is no such command. Needs root.

Examples:
  sudo lanyard run --network mcv -- ip addr
  sudo lanyard run --network mcv --ip 192.168.8.50 --name web -- python3 -m http.server 80`

const DAEMON_EXAMPLES = `
Root and members of group "lanyard" may use it. As a service: packaging/lanyard.service.
Docker finds it as a network and IPAM driver called lanyard, at /run/docker/plugins/lanyard.sock;
with another --socket that door is closed, unless --docker opens one.
While etcd does not answer, endpoints that come take the host's spare addresses; of a network with
fewer than 64 addresses none are held.

Examples:
  sudo lanyard daemon
  curl --unix-socket /run/lanyard/lanyard.sock http://localhost/v1/networks
  curl --unix-socket /run/lanyard/lanyard.sock http://localhost/openapi.json`

const MOST_SPARES = 64

function fewSpares(text: string): number {
  const count = /^\d{1,3}$/.test(text) ? Number(text) : Infinity
  if (count > MOST_SPARES)
    throw new InvalidArgumentError(`It is a whole number, at most ${MOST_SPARES}.`)
  return count
}

export function addEngineCommands(program: Command): void {
  addPlaceOptions(
    program.command('run').description('run a command in a sandbox of its own on a network'),
  )
    .argument('<command...>', 'the command and its arguments, after --')
    .requiredOption('--network <network>', 'name or id (repeat for several)', collect)
    .option('--name <name>', 'name of sandbox and endpoint: the same gets the same address again')
    .option('--ip <ip>', 'this IPv4 address (repeat)', collect, [])
    .option('--ip6 <ip>', 'this IPv6 address (repeat)', collect, [])
    .option('--mac-address <mac>', 'this MAC address, on the first network')
    .option(
      '--gw-priority <n>',
      'of several networks the highest has the default route',
      wholeNumber,
    )
    .option('-q, --quiet', 'do not print the address to stderr')
    .passThroughOptions()
    .addHelpText('after', RUN_EXAMPLES)
    .action(async (command: readonly string[], options: RunOptions) => {
      const { sandboxRun, statusOfNotRun } = await import('./sandbox-run.ts')
      try {
        process.exitCode = await sandboxRun(command, options)
      } catch (error) {
        const status = statusOfNotRun(error)
        if (status === undefined) throw error
        const { fail } = await import('./failure.ts')
        fail(error)
        process.exitCode = status
      }
    })
  addPlaceOptions(
    program.command('status').description('networks, and what is not as it should be'),
  )
    .option('--heal', 'first make everything as it should be')
    .option('--json', 'print as JSON')
    .addHelpText('after', '\nExit status 1 when something is not as it should be.')
    .action(async (options: StatusOptions) => {
      const { showStatus } = await import('./status.ts')
      process.exitCode = await showStatus(options)
    })
  addPlaceOptions(
    program.command('daemon').description('keep networks as they should be, and serve commands'),
  )
    .addOption(
      new Option('--log-level <level>', 'what goes to stderr, as JSON lines')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .addOption(
      new Option(
        '--docker <socket>',
        "Docker's door: a socket among Docker's plugins, or none",
      ).env('LANYARD_DOCKER'),
    )
    .addOption(
      new Option(
        '--spares <n>',
        'with an etcd: addresses of each network that this host holds for when it is away',
      )
        .argParser(fewSpares)
        .default(4)
        .env('LANYARD_SPARES'),
    )
    .addHelpText('after', DAEMON_EXAMPLES)
    .action(async (options: DaemonCommand) => {
      const { runDaemon } = await import('./daemon-run.ts')
      await runDaemon(options)
    })
}
