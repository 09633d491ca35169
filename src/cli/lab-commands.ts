/** `lanyard lab ...`: what can be typed; the work is in the files loaded on demand. */
import { Argument, type Command, InvalidArgumentError, Option } from 'commander'
import { collect } from './explain-commands.ts'
import { addLiveCommands } from './lab-live-commands.ts'
import type { LabCheckOptions } from './lab-check.ts'
import type { ExportFormat, ExportOptions } from './lab-export.ts'
import type { GraphOptions } from './lab-graph.ts'
import type { ImportCliOptions } from './lab-import.ts'
import type { LabRunOptions } from './lab-run.ts'

const RUN_EXAMPLES = `
A directory means the lab.yaml in it. Rows of the matrix ping columns, from empty neighbour
tables; a number is the ttl of the answer.

Examples:
  lanyard lab run examples/seed-001
  lanyard lab run mylab.yaml --json | jq .missed
  lanyard lab run mylab.yaml --junit lab.xml --html lab.html
  lanyard lab run mylab.yaml --pcap /tmp/frames          one pcapng per combination, for Wireshark
  sudo lanyard lab run examples/seed-001 --fabric kernel
  lanyard lab run examples/seed-002 --fabric uml         a real kernel, no root: Debian's package
                                                         user-mode-linux`

const DOWN_EXAMPLES = `
Without a name: the only lab that is up. A "lab run" that ends, or is stopped with Ctrl-C, removes
what it made; what a killed one left on this kernel goes, too, and nothing else is touched.`

const CHECK_EXAMPLES = `
A file that cannot be read as a lab exits 2, with file, line and column of every problem. Warnings
and notes are what the file may say and few mean: docs/reference/lab-rules.md lists them.

Examples:
  lanyard lab check mylab.yaml
  lanyard lab check mylab.yaml --strict --json           in CI`

const EXPORT_EXAMPLES = `
sh           a script of ip, bridge and sysctl for root: "sh lab.sh" makes the lab, "sh lab.sh down"
             removes it. Namespaces are called LAB-NODE.
clab         a containerlab topology: switches are bridges, or nodes with a bridge where they have
             VLANs; hosts are nodes of kind linux, containers namespaces in them. "lanyard lab
             import" reads it back.
One combination at a time: --set chooses, else it is the first.

Examples:
  lanyard lab export examples/seed-001 sh --set mode=vepa -w lab.sh
  sudo sh lab.sh && sudo ip netns exec seed-001-ns1 ping -c1 10.211.55.1; sudo sh lab.sh down
  lanyard lab export examples/seed-002 clab -w seed-002.clab.yml`

const IMPORT_EXAMPLES = `
compose    compose.yml: macvlan and ipvlan networks and the services on them, on one host
clab       *.clab.yml of containerlab: nodes, links, exec
kathara    lab.conf of Kathará, with the DEVICE.startup files beside it
A directory means the one such file in it. Command lines of nodes are run by the simulator's own
shell, and what they set becomes addresses, routes, links and sysctls of the lab; the lab is made
again and compared. What could not be carried is said on stderr, a line each.

Examples:
  lanyard lab import compose.yml -o lab.yaml
  lanyard lab import mylab.clab.yml | lanyard lab check /dev/stdin
  lanyard lab import some/kathara/lab --strict -o lab.yaml && lanyard lab run lab.yaml
  lanyard lab import compose.yml --set PARENT=eth0       a value of \${PARENT} in the file`

const GRAPH_EXAMPLES = `
One picture shows all combinations of a lab: what differs between them as bridge|vepa, what is there
in some of them only as hairpin?.

Examples:
  lanyard lab graph examples/seed-002
  lanyard lab graph examples/seed-001 --svg -w lab.svg --set mode=vepa
  lanyard lab graph mylab.yaml --mermaid >> README.md`

const SOURCES = ['compose', 'clab', 'kathara']
const SHAPES = ['ascii', 'svg', 'mermaid']

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
    .option('--junit <file>', 'write the expectations as JUnit XML, for CI')
    .option('--html <file>', 'write a report as one HTML page, with the picture')
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
    .description('check a lab file without running it, say what few mean, and draw it')
    .argument('<file>', 'lab file, or a directory with a lab.yaml')
    .option('--json', 'print what was found as JSON')
    .option('--strict', 'exit 1 when there are warnings')
    .addHelpText('after', CHECK_EXAMPLES)
    .action(async (file: string, options: LabCheckOptions) => {
      const { labCheck } = await import('./lab-check.ts')
      process.exitCode = labCheck(file, options)
    })
  addGraph(lab)
  addExport(lab)
  addImport(lab)
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

function addGraph(lab: Command): void {
  const shape = (name: string, text: string): Option =>
    new Option(`--${name}`, text).conflicts(SHAPES.filter((other) => other !== name))
  lab
    .command('graph')
    .description('draw a lab')
    .argument('<file>', 'lab file, or a directory with a lab.yaml')
    .addOption(shape('ascii', 'as text (the default)'))
    .addOption(shape('svg', 'as SVG'))
    .addOption(shape('mermaid', 'as a Mermaid flowchart, for Markdown'))
    .option('--set <variable=value>', 'only the combinations with this value', collect, {})
    .option('-w, --write <file>', 'into a file instead of standard output')
    .addHelpText('after', GRAPH_EXAMPLES)
    .action(async (file: string, options: GraphOptions) => {
      const { labGraph } = await import('./lab-graph.ts')
      labGraph(file, options)
    })
}

function addExport(lab: Command): void {
  lab
    .command('export')
    .description('write a lab for other tools')
    .argument('<file>', 'lab file, or a directory with a lab.yaml')
    .addArgument(new Argument('<format>', 'as what').choices(['sh', 'clab']))
    .option('--set <variable=value>', 'the combination with this value', collect, {})
    .option('-w, --write <file>', 'into a file instead of standard output')
    .option('--image <image>', 'clab: image of the nodes (default: network-multitool of srl-labs)')
    .addHelpText('after', EXPORT_EXAMPLES)
    .action(async (file: string, format: ExportFormat, options: ExportOptions) => {
      const { labExport } = await import('./lab-export.ts')
      labExport(file, format, options)
    })
}

function addImport(lab: Command): void {
  lab
    .command('import')
    .description('write a lab file from a file of Compose, containerlab or Kathará')
    .argument('<file>', 'compose.yml, *.clab.yml, lab.conf, or a directory with one of them')
    .addOption(
      new Option('--from <tool>', 'whose file it is; default: by its name').choices(SOURCES),
    )
    .option('-o, --output <file>', 'into a file instead of standard output')
    .option('--name <name>', 'name of the lab')
    .option('--set <variable=value>', 'a value of a variable of the file', collect, {})
    .option('--strict', 'exit 1 when something could not be carried')
    .addHelpText('after', IMPORT_EXAMPLES)
    .action(async (file: string, options: ImportCliOptions) => {
      const { labImport } = await import('./lab-import.ts')
      process.exitCode = await labImport(file, options)
    })
}

function seed(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) {
    throw new InvalidArgumentError('It is a whole number from 0 to 4294967295.')
  }
  return value
}
