/** `lanyard lab up ... down`: labs that live, as they are typed. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { CaptureOptions } from './lab-capture.ts'
import type { LabUpOptions } from './lab-up.ts'

const UP_EXAMPLES = `
A simulated lab needs no daemon and no root: its state is its file and a journal of what was typed,
in ~/.local/state/lanyard/labs. Several labs live side by side, each under its name. On the kernel
its nodes are network namespaces, and what is typed there are the machine's own tools. In User Mode
Linux (Debian's package user-mode-linux) it is the same without root: the lab has a kernel of its
own, a process that "lanyard lab down" ends, with every module, and the machine's files.

Examples:
  lanyard lab up examples/seed-001 --set mode=bridge --set hairpin=false
  lanyard lab shell centos18                       a prompt there
  lanyard lab exec centos18 -- ip -br addr         one command
  lanyard lab matrix                               who reaches whom now
  lanyard lab down`

const EXEC_EXAMPLES = `
One word is a line with pipes and redirections; several are words as they are. What changes the lab
is kept, what only looks is not.

Examples:
  lanyard lab exec centos18 -- ip link set enp0s5 promisc on
  lanyard lab exec centos18 -- 'ip a | grep -A2 enp0s5'
  lanyard lab exec --lab other gw -- ping -c2 10.211.55.101

Exit status: that of the command; 2 for bad input of lanyard itself.`

const BACK_EXAMPLES = `
Examples:
  lanyard lab back 2          takes the last two commands back
  lanyard lab save before     ... and later: lanyard lab back before`

const CAPTURE_EXAMPLES = `
A link is NODE:LINK, or NODE/NETNS:LINK in a namespace made at a node; none named means all. A
simulated lab is played again and its frames written, with the reason where one ended; a lab on
a real kernel is listened to until Ctrl-C.

Examples:
  lanyard lab capture centos18:enp0s5 -w x.pcapng
  lanyard lab capture -w - --last 1 | tshark -r -       all frames of the last command`

const inLab = (): Option =>
  new Option('--lab <name>', 'which lab; default: $LANYARD_LAB, or the only one')

export function addLiveCommands(lab: Command, seed: (text: string) => number): void {
  addMaking(lab, seed)
  addTyping(lab)
  addLooking(lab)
}

function addMaking(lab: Command, seed: (text: string) => number): void {
  lab
    .command('up')
    .description('make a lab that stays')
    .argument('<file>', 'lab file, or a directory with a lab.yaml')
    .addOption(
      new Option(
        '--fabric <fabric>',
        'where: simulated Linux, this kernel (needs root), or a kernel in User Mode Linux',
      )
        .choices(['sim', 'kernel', 'uml'])
        .default('sim'),
    )
    .option('--set <variable=value>', 'a value of a matrix variable; once for each', collect, {})
    .option('--name <name>', 'call it so; default: its name in the file')
    .option('-q, --quiet', 'print nothing')
    .option('--seed <number>', 'chance of the simulator', seed, 1)
    .addHelpText('after', UP_EXAMPLES)
    .action(async (file: string, options: LabUpOptions) => {
      const { labUp } = await import('./lab-up.ts')
      await labUp(file, options)
    })
  lab
    .command('status')
    .description('list the labs that are up, or show one of them')
    .argument('[lab]', 'name of a lab')
    .option('--json', 'print as JSON')
    .action(async (name: string | undefined, options: { json?: boolean }) => {
      const { labStatus } = await import('./lab-status.ts')
      await labStatus(name, options)
    })
}

function addTyping(lab: Command): void {
  lab
    .command('exec')
    .description('run a command at a node of a lab')
    .argument('<node>', 'host, container or switch')
    .argument('[command...]', 'after --')
    .addOption(inLab())
    .passThroughOptions()
    .addHelpText('after', EXEC_EXAMPLES)
    .action(async (node: string, words: string[], options: { lab?: string }) => {
      const { labExec } = await import('./lab-exec.ts')
      process.exitCode = await labExec(node, words, options)
    })
  lab
    .command('shell')
    .description('a prompt at a node of a lab, with history and completion')
    .argument('[node]', 'host, container or switch; default: the first host')
    .addOption(inLab())
    .action(async (node: string | undefined, options: { lab?: string }) => {
      const { labShell } = await import('./lab-shell.ts')
      process.exitCode = await labShell(node, options)
    })
  lab
    .command('save')
    .description('give the state of a simulated lab a name')
    .argument('<name>', 'name of the save point')
    .addOption(inLab())
    .action(async (name: string, options: { lab?: string }) => {
      const { labSave } = await import('./lab-back.ts')
      await labSave(name, options)
    })
  lab
    .command('back')
    .description('take commands of a simulated lab back')
    .argument('<to>', 'how many commands, or the name of a save point')
    .addOption(inLab())
    .addHelpText('after', BACK_EXAMPLES)
    .action(async (to: string, options: { lab?: string }) => {
      const { labBack } = await import('./lab-back.ts')
      await labBack(to, options)
    })
}

function addLooking(lab: Command): void {
  lab
    .command('matrix')
    .description('who reaches whom in a lab as it is now, from empty neighbour tables')
    .argument('[lab]', 'name of the lab; default: the only one')
    .option('--json', 'print as JSON')
    .action(async (name: string | undefined, options: { json?: boolean }) => {
      const { labMatrix } = await import('./lab-measure.ts')
      process.exitCode = await labMatrix(name, options)
    })
  lab
    .command('test')
    .description('judge the expectations of its file against a lab as it is now')
    .argument('[lab]', 'name of the lab; default: the only one')
    .option('--json', 'print as JSON')
    .action(async (name: string | undefined, options: { json?: boolean }) => {
      const { labTest } = await import('./lab-measure.ts')
      process.exitCode = await labTest(name, options)
    })
  lab
    .command('capture')
    .description('write the frames of links to a pcapng file')
    .argument('[link...]', 'NODE:LINK; default: all')
    .requiredOption('-w, --write <file>', 'pcapng file, or - for standard output')
    .option('--last <from>', 'a simulated lab: only the last N commands, or since a save point')
    .addOption(inLab())
    .addHelpText('after', CAPTURE_EXAMPLES)
    .action(async (links: string[], options: CaptureOptions) => {
      const { labCapture } = await import('./lab-capture.ts')
      process.exitCode = await labCapture(links, options)
    })
}

function collect(text: string, before: Readonly<Record<string, string>>): Record<string, string> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('Write variable=value.')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}
