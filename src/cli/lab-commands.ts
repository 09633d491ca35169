/** `lanyard lab ...`: what can be typed; the work is in the files loaded on demand. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { addLiveCommands } from './lab-live-commands.ts'
import type { LabRunOptions } from './lab-run.ts'

const RUN_EXAMPLES = `
A directory means the lab.yaml in it. Rows of the matrix ping columns, from empty neighbour
tables; a number is the ttl of the answer.

Examples:
  lanyard lab run examples/seed-001
  lanyard lab run mylab.yaml --json | jq .missed
  lanyard lab run mylab.yaml --pcap /tmp/frames          one pcapng per combination, for Wireshark
  sudo lanyard lab run examples/seed-001 --fabric kernel
  lanyard lab run examples/seed-002 --fabric uml         a real kernel, no root: Debian's package
                                                         user-mode-linux`

const DOWN_EXAMPLES = `
Without a name: the only lab that is up. A "lab run" that ends, or is stopped with Ctrl-C, removes
what it made; what a killed one left on this kernel goes, too, and nothing else is touched.`

export function addLabCommands(program: Command): void {
  const lab = program.command('lab').description('laboratories from a file').helpCommand(false)
  lab.enablePositionalOptions()
  lab
    .command('run')
    .description('make a lab, see who reaches whom, judge its expectations, remove it')
    .argument('<file>', 'lab file, or a directory with a lab.yaml')
    .addOption(
      new Option(
        '--fabric <fabric>',
        'where: simulated Linux, this kernel (needs root), or a kernel in User Mode Linux',
      )
        .choices(['sim', 'kernel', 'uml'])
        .default('sim'),
    )
    .option('--json', 'print everything as JSON')
    .option('--pcap <dir>', 'write every frame of every link to pcapng files in this directory')
    .option(
      '--seed <number>',
      'chance of the simulator: the same seed plays the same frames',
      seed,
      1,
    )
    .addHelpText('after', RUN_EXAMPLES)
    .action(async (file: string, options: LabRunOptions) => {
      const { labRun } = await import('./lab-run.ts')
      process.exitCode = await labRun(file, options)
    })
  addLiveCommands(lab, seed)
  lab
    .command('check')
    .description('check a lab file without running it, and draw it')
    .argument('<file>', 'lab file, or a directory with a lab.yaml')
    .action(async (file: string) => {
      const { labCheck } = await import('./lab-check.ts')
      labCheck(file)
    })
  lab
    .command('down')
    .description('remove a lab, and what killed runs left on this kernel')
    .argument('[name]', 'name of the lab')
    .option('--all', 'all labs that are up')
    .addHelpText('after', DOWN_EXAMPLES)
    .action(async (name: string | undefined, options: { all?: boolean }) => {
      const { labDown } = await import('./lab-down.ts')
      await labDown(name, options)
    })
}

function seed(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) {
    throw new InvalidArgumentError('It is a whole number from 0 to 4294967295.')
  }
  return value
}
