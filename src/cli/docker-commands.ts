/** `lanyard docker`: what can be typed; the work is loaded on demand. */
import { type Command, Option } from 'commander'
import type { AdoptOptions } from './docker-adopt.ts'
import type { InstallOptions } from './docker-install.ts'
import type { DockerStatusOptions } from './docker-status.ts'

const EXAMPLES = `
Examples:
  sudo lanyard docker install
  docker network create -d lanyard --ipam-driver lanyard --subnet 192.168.8.0/24 \\
      --gateway 192.168.8.1 -o parent=eth0 lan
  docker run --rm --network lan alpine ip addr
  sudo lanyard docker adopt pub_net        an existing macvlan network, addresses kept`

const api = (): Option =>
  new Option('--docker-api <socket>', "dockerd's socket; default DOCKER_HOST, or the usual one")

export function addDockerCommands(program: Command): void {
  const docker = program.command('docker').helpCommand(false).addHelpText('after', EXAMPLES)
  docker.description('serve a stock Docker: networks of -d lanyard')
  docker
    .command('install')
    .description('the daemon as a service that is up before Docker; repeatable')
    .option('--root <dir>', 'put the files under this folder, and start nothing', '/')
    .option('--no-start', 'only put the files there')
    .option('--json', 'print as JSON')
    .action(async (options: InstallOptions) => {
      const { dockerInstall } = await import('./docker-install.ts')
      dockerInstall(options)
    })
  docker
    .command('uninstall')
    .description('take away what install put there; refused while Docker has networks of ours')
    .option('--root <dir>', 'where install put the files', '/')
    .option('--force', 'even if Docker has networks of ours, which then no longer start')
    .option('--json', 'print as JSON')
    .addOption(api())
    .action(async (options: InstallOptions & { readonly force?: boolean }) => {
      const { dockerUninstall } = await import('./docker-install.ts')
      await dockerUninstall(options)
    })
  docker
    .command('status')
    .description('whether Docker is served, and which of its networks are ours')
    .option('--root <dir>', 'where install put the files', '/')
    .option('--json', 'print as JSON')
    .addOption(api())
    .addHelpText('after', '\nExit status 1 when Docker is not served.')
    .action(async (options: DockerStatusOptions) => {
      const { dockerStatus } = await import('./docker-status.ts')
      process.exitCode = await dockerStatus(options)
    })
  docker
    .command('adopt <network>')
    .description("take over one of Docker's macvlan or ipvlan networks; addresses stay")
    .option('--dry-run', 'print what would be done')
    .option('--json', 'print as JSON')
    .addOption(api())
    .addHelpText(
      'after',
      `
The network is made anew under its name with -d lanyard, and each container on it, running or not,
gets the address and MAC it had. Running ones are off the network for a moment. If a step fails, all
is put back.`,
    )
    .action(async (network: string, options: AdoptOptions) => {
      const { dockerAdopt } = await import('./docker-adopt.ts')
      await dockerAdopt(network, options)
    })
  docker
    .command('pack <folder>')
    .description('a managed plugin: rootfs and config.json for "docker plugin create"')
    .addHelpText(
      'after',
      `
Example:
  lanyard docker pack /tmp/lanyard-plugin
  sudo docker plugin create lanyard /tmp/lanyard-plugin
  sudo docker plugin enable lanyard`,
    )
    .action(async (folder: string) => {
      const { dockerPack } = await import('./docker-pack.ts')
      dockerPack(folder)
    })
}
