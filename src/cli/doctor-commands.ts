/** `lanyard doctor`: what can be typed; the work is loaded on demand. */
import type { Command } from 'commander'
import type { DoctorOptions } from './doctor.ts'
import { collect } from './network-commands.ts'
import { addPlaceOptions } from './place.ts'

const EXAMPLES = `
Reads only: kernel and modules, cards and bridges, namespaces, sysctls, networks of Docker, podman
and Lanyard. With --active it also sends on one LAN, and leaves nothing: a child with another MAC
asks the gateway, DHCP servers are asked for an offer (none is taken), and our addresses are asked
for.

Examples:
  sudo lanyard doctor
  sudo lanyard doctor --active --parent eth0    does this LAN take a second MAC?
  sudo lanyard doctor --json

Exit status: 0 nothing worse than a note, 1 a warning, 4 a problem, 2 bad input, 3 not permitted.`

export function addDoctorCommand(program: Command): void {
  addPlaceOptions(
    program
      .command('doctor')
      .description('what on this machine and its LAN gets in the way, and what mends it'),
  )
    .option('--active', 'send, too: a second MAC, DHCP, addresses that are held twice (needs root)')
    .option(
      '--parent <link>',
      'the LAN to send on (repeat; default: the default route’s)',
      collect,
      [],
    )
    .option('--json', 'print as JSON (schema/doctor.schema.json)')
    .addHelpText('after', EXAMPLES)
    .action(async (options: DoctorOptions) => {
      const { doctorCommand } = await import('./doctor.ts')
      process.exitCode = await doctorCommand(options)
    })
}
