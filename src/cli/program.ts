/**
 * The command line. What subcommands do stands beside this file and is loaded when they are called,
 * so that `lanyard --version` does not wait for a YAML parser.
 */
import { Command, Help, type Option } from 'commander'
import { addDoctorCommand } from './doctor-commands.ts'
import { addDockerCommands } from './docker-commands.ts'
import { addEngineCommands } from './engine-commands.ts'
import { addHostCommands } from './host-commands.ts'
import { addIpCommands } from './ip-commands.ts'
import { addExplainCommand } from './explain-commands.ts'
import { addLabCommands } from './lab-commands.ts'
import { addMatrixCommand } from './matrix-commands.ts'
import { addNetworkCommands } from './network-commands.ts'
import { version } from './version.ts'

const EXAMPLES = `
Examples:
  sudo lanyard network create --subnet 192.168.8.0/24 --gateway 192.168.8.1 -o parent=eth0 lan
  sudo lanyard run --network lan -- ip addr               a command with its own place there
  sudo lanyard doctor                                      what gets in the way here
  lanyard lab run examples/seed-001                        in a simulated Linux, no root needed
  sudo lanyard lab run examples/seed-001 --fabric kernel   the same on this machine's kernel
  lanyard lab run examples/seed-002 --fabric uml           on a kernel of its own, no root needed

Exit status: 0 all went well, 1 something was missed (an expectation, a holder, drift), 2 refused or
bad input, 3 not permitted.`

const { optionDescription } = Help.prototype

/** What help says of an option: a default only where it tells a reader something. */
function describeOption(this: Help, option: Option): string {
  const { defaultValue } = option
  if (typeof defaultValue !== 'object' || option.defaultValueDescription !== undefined)
    return optionDescription.call(this, option)
  return option.description
}

/** Builds the command line. */
export function makeProgram(): Command {
  const program = new Command('lanyard')
    .description('macvlan and ipvlan networks: made, addressed, verified and explained')
    .version(version(), '--version', 'print the version')
    .addHelpText('after', EXAMPLES)
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .configureHelp({ optionDescription: describeOption })
    // What follows the command of `run` is that command's.
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, 'lanyard: ')),
    })
  addNetworkCommands(program)
  addIpCommands(program)
  addEngineCommands(program)
  addDockerCommands(program)
  addHostCommands(program)
  addDoctorCommand(program)
  addLabCommands(program)
  addExplainCommand(program)
  addMatrixCommand(program)
  return program
}
