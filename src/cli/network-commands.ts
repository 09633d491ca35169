/** `lanyard network ...`: what can be typed; the work is in the files loaded on demand. */
import { type Command, InvalidArgumentError } from 'commander'
import { driverOptionsHelp } from './driver-options.ts'
import type { CreateCommand } from './network-create.ts'
import type { ConnectOptions, DisconnectOptions } from './network-connect.ts'
import type { InspectOptions, ListOptions } from './network-show.ts'
import type { PruneOptions, RemoveOptions } from './network-remove.ts'
import { addPlaceOptions, type PlaceOptions } from './place.ts'

/** An option that may be given again and again. */
export const collect = (value: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  value,
]

export function wholeNumber(text: string): number {
  if (!/^-?\d{1,9}$/.test(text)) throw new InvalidArgumentError('It is a whole number.')
  return Number(text)
}

const CREATE_EXAMPLES = `${driverOptionsHelp()}
Examples:
  lanyard network create --subnet 192.168.8.0/24 --gateway 192.168.8.1 -o parent=enp0s8 mcv
  lanyard network create --subnet 10.9.0.0/24 --ip-range 10.9.0.100-10.9.0.199 -o parent=eth0 lan
  lanyard network create -d ipvlan --subnet 10.5.0.0/24 -o parent=eth0.50 -o mode=l2 v50
  lanyard network create --subnet 10.9.0.0/24 inside                  no parent: nobody outside
  lanyard network create --dry-run --subnet 10.9.0.0/24 -o parent=eth0 lan     prints only`

const CONNECT_EXAMPLES = `
A sandbox is a network namespace: a name as "ip netns" knows it, an absolute path, or pid:N.

Examples:
  lanyard network connect mcv web
  lanyard network connect --ip 192.168.8.50 --name db mcv pid:4711
  lanyard network connect mcv /proc/$(docker inspect -f '{{.State.Pid}}' web)/ns/net --name web`

const LIST_EXAMPLES = `
Examples:
  lanyard network ls
  lanyard network ls --filter driver=ipvlan --quiet
  lanyard network ls --format '{{.Name}} on {{.Parent}}'`

export function addNetworkCommands(program: Command): void {
  const network = program.command('network').description('make and use networks').helpCommand(false)
  addCreate(network)
  addShow(network)
  addRemove(network)
  addConnect(network)
}

const sub = (network: Command, name: string, says: string): Command =>
  addPlaceOptions(network.command(name).description(says))

function addCreate(network: Command): void {
  sub(network, 'create', 'make a network')
    .argument('<name>', 'name of the network')
    .option('-d, --driver <driver>', 'macvlan or ipvlan', 'macvlan')
    .option('-o, --opt <key=value>', 'driver option, see below (repeat)', collect, [])
    .option('--parent <link>', 'link of the host, as -o parent=')
    .option('--vlan <id>', 'VLAN of the parent, as -o vlan=')
    .option('--attach <how>', 'veth: endpoints are ports of the parent’s bridge, as -o attach=')
    .option(
      '--subnet <cidr>',
      'subnet of the LAN (repeat: one of IPv4, one of IPv6, more)',
      collect,
      [],
    )
    .option('--gateway <ip>', 'the LAN’s router (repeat, one a subnet)', collect, [])
    .option(
      '--ip-range <range>',
      'hand out these only: a prefix, or FIRST-LAST (repeat)',
      collect,
      [],
    )
    .option('--aux-address <name=ip>', 'an address that is never handed out (repeat)', collect, [])
    .option(
      '--exclude <ips>',
      'the same without a name: IP, FIRST-LAST, prefix (repeat)',
      collect,
      [],
    )
    .option('--internal', 'no default route')
    .option('--ipv6', 'insist on an IPv6 subnet')
    .option('--label <key=value>', 'a label (repeat)', collect, [])
    .option('--dry-run', 'print the ip commands that would be run, and do nothing')
    .option('--json', 'print the network as JSON')
    .addHelpText('after', CREATE_EXAMPLES)
    .action(async (name: string, options: CreateCommand) => {
      const { networkCreate } = await import('./network-create.ts')
      await networkCreate(name, options)
    })
}

function addShow(network: Command): void {
  sub(network, 'ls', 'list networks')
    .alias('list')
    .option('-f, --filter <filter>', 'driver=, name=, id=, label=, parent= (repeat)', collect, [])
    .option('-q, --quiet', 'print ids only')
    .option('--no-trunc', 'print whole ids')
    .option('--format <template>', 'print each so, e.g. {{.Name}}; "table ..." for a head')
    .option('--json', 'print everything as JSON')
    .addHelpText('after', LIST_EXAMPLES)
    .action(async (options: ListOptions) => {
      const { networkList } = await import('./network-show.ts')
      await networkList(options)
    })
  sub(network, 'inspect', 'show everything about networks')
    .argument('<networks...>', 'names or ids')
    .option('--format <template>', 'print each so, e.g. {{json .Containers}}')
    .option('--json', 'print as the daemon’s JSON, not as Docker’s')
    .action(async (names: readonly string[], options: InspectOptions) => {
      const { networkInspect } = await import('./network-show.ts')
      process.exitCode = await networkInspect(names, options)
    })
}

function addRemove(network: Command): void {
  sub(network, 'rm', 'remove networks that nobody uses')
    .alias('remove')
    .argument('<networks...>', 'names or ids')
    .option('-f, --force', 'one that is not there is no failure; one that Docker made goes, too')
    .option('--disconnect', 'take its endpoints off it first, all at once')
    .action(async (names: readonly string[], options: RemoveOptions) => {
      const { networkRemove } = await import('./network-remove.ts')
      process.exitCode = await networkRemove(names, options)
    })
  sub(network, 'prune', 'remove all networks that nobody uses')
    .option('-f, --force', 'do not ask')
    .option('--filter <filter>', 'label= (repeat)', collect, [])
    .action(async (options: PruneOptions) => {
      const { networkPrune } = await import('./network-remove.ts')
      process.exitCode = await networkPrune(options)
    })
}

function addConnect(network: Command): void {
  sub(network, 'connect', 'give a sandbox a place on a network')
    .argument('<network>', 'name or id')
    .argument('<sandbox>', 'network namespace: a name, an absolute path, or pid:N')
    .option('--name <endpoint>', 'name of the endpoint: the same gets the same address again')
    .option('--ip <ip>', 'this IPv4 address (repeat)', collect, [])
    .option('--ip6 <ip>', 'this IPv6 address (repeat)', collect, [])
    .option('--mac-address <mac>', 'this MAC address')
    .option('--link <name>', 'name of the link inside; default the first free ethN')
    .option(
      '--gw-priority <n>',
      'of several networks the highest has the default route',
      wholeNumber,
    )
    .option('--dry-run', 'print the ip commands that would be run, and do nothing')
    .option('--json', 'print the endpoint as JSON')
    .option('-q, --quiet', 'print nothing')
    .addHelpText('after', CONNECT_EXAMPLES)
    .action(async (name: string, sandbox: string, options: ConnectOptions & PlaceOptions) => {
      const { networkConnect } = await import('./network-connect.ts')
      await networkConnect(name, sandbox, options)
    })
  sub(network, 'disconnect', 'take an endpoint away; a sandbox that is gone is fine')
    .argument('<network>', 'name or id')
    .argument('<endpoint>', 'name of the endpoint, or its sandbox')
    .option('-f, --force', 'an endpoint that is not there is no failure')
    .action(async (name: string, endpoint: string, options: DisconnectOptions) => {
      const { networkDisconnect } = await import('./network-connect.ts')
      await networkDisconnect(name, endpoint, options)
    })
}
