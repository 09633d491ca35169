/** What the docker client says of itself, and of too few words. */
import { ToolExit } from '../arguments.ts'

export const USAGE: Readonly<Record<string, readonly [line: string, short: string]>> = {
  'network inspect': [
    '[OPTIONS] NETWORK [NETWORK...]',
    'Display detailed information on one or more networks',
  ],
  'network rm': ['NETWORK [NETWORK...]', 'Remove one or more networks'],
  'network connect': ['[OPTIONS] NETWORK CONTAINER', 'Connect a container to a network'],
  'network disconnect': ['[OPTIONS] NETWORK CONTAINER', 'Disconnect a container from a network'],
  'network create': ['[OPTIONS] NETWORK', 'Create a network'],
  'network ls': ['[OPTIONS]', 'List networks'],
  'network prune': ['[OPTIONS]', 'Remove all unused networks'],
  ps: ['[OPTIONS]', 'List containers'],
  version: ['[OPTIONS]', 'Show the Docker version information'],
  run: ['[OPTIONS] IMAGE [COMMAND] [ARG...]', 'Run a command in a new container'],
  exec: ['[OPTIONS] CONTAINER COMMAND [ARG...]', 'Run a command in a running container'],
  rm: ['[OPTIONS] CONTAINER [CONTAINER...]', 'Remove one or more containers'],
  stop: ['[OPTIONS] CONTAINER [CONTAINER...]', 'Stop one or more running containers'],
  start: ['[OPTIONS] CONTAINER [CONTAINER...]', 'Start one or more stopped containers'],
  inspect: ['[OPTIONS] NAME|ID [NAME|ID...]', 'Return low-level information on Docker objects'],
}

/** @throws ToolExit when there are fewer words than the command needs, or not just as many */
export function needs(
  command: string,
  words: readonly string[],
  count: number,
  how: 'exactly' | 'at least' = 'at least',
): void {
  if (how === 'exactly' ? words.length === count : words.length >= count) return
  const [line = '', short = ''] = USAGE[command] ?? []
  const many = `${how} ${count} argument${count === 1 ? '' : 's'}`
  throw new ToolExit(
    1,
    `"docker ${command}" requires ${many}.\nSee 'docker ${command} --help'.\n\n` +
      `Usage:  docker ${command} ${line}\n\n${short}\n`,
  )
}

const TOP_COMMANDS = ['exec', 'inspect', 'ps', 'rm', 'run', 'start', 'stop', 'version']

/** `docker` alone, and `docker --help`. */
export function dockerHelp(): string {
  const rows = TOP_COMMANDS.map((name) => `  ${name.padEnd(11)} ${USAGE[name]?.[1] ?? ''}\n`)
  return `
Usage:  docker [OPTIONS] COMMAND

A self-sufficient runtime for containers

Management Commands of this shell:
  container   Manage containers
  network     Manage networks

Commands of this shell:
${rows.join('')}
Run 'docker COMMAND --help' for more information on a command.
`
}
