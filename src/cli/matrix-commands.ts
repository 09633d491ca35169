/** `lanyard matrix ...`: what can be typed; the work is in the files loaded on demand. */
import type { Command } from 'commander'
import { assumption, collect } from './explain-commands.ts'
import type { MatrixCliOptions } from './matrix-options.ts'

const EXAMPLES = `
Endpoints that nothing tells apart (same parent, mode, subnet, rules, ...) are one class, and each
kind of pair is pinged once in the simulator: ten thousand endpoints are as quick as a hundred.

Examples:
  lanyard matrix --lab mylab.yaml                          who reaches whom, class by class
  lanyard matrix --lab mylab.yaml --from web               whom one endpoint reaches
  lanyard matrix --lab mylab.yaml --to db --csv            who reaches it, for a spreadsheet
  lanyard matrix --lab mylab.yaml --plan change.sh         what these commands would change
  lanyard matrix --lab mylab.yaml --why web db             why not, and what mends it
  sudo lanyard matrix --live                               this machine's namespaces

A plan is a file of command lines (ip, bridge, sysctl, iptables, ...) or of ops as JSON; it is done
in a copy in the simulator, nowhere else.

Exit status: 0 answered, 1 the plan was refused in part, 2 bad input.`

export function addMatrixCommand(program: Command): void {
  program
    .command('matrix')
    .description('who reaches whom, for ten thousand endpoints, and what a plan would change')
    .option('--lab <file>', 'a lab file, or a directory with a lab.yaml')
    .option('--set <variable=value>', 'a value of a matrix variable; once for each', collect, {})
    .option('--live', "this machine's namespaces, containers by name (needs root)")
    .option('--assume <what>', 'of what lies beyond this machine, as for explain', assumption)
    .option('-6', 'IPv6')
    .option('--from <endpoint>', 'only whom it reaches')
    .option('--to <endpoint>', 'only who reaches it')
    .option('--why <from...>', 'FROM TO: why this pair works or does not, as lanyard explain')
    .option('--plan <file>', 'which pairs begin or cease to work when this is done')
    .option('--json', 'print everything as JSON')
    .option('--csv', 'print pairs as CSV')
    .addHelpText('after', EXAMPLES)
    .action(async (options: MatrixCliOptions) => {
      const { matrixCommand } = await import('./matrix.ts')
      process.exitCode = await matrixCommand(options)
    })
}
