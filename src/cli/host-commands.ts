/** `lanyard host` and `lanyard store`: what can be typed; the work is loaded on demand. */
import type { Command } from 'commander'
import type { HostOptions } from './host.ts'
import { addPlaceOptions } from './place.ts'
import type { MigrateOptions, StoreOptions } from './store.ts'

const HOST_EXAMPLES = `
Hosts are known by their machine-id and called by their hostname. --store, or LANYARD_STORE, says
which etcd they share.

Examples:
  lanyard host ls --store etcd://10.0.0.5:2379
  lanyard host drain node2                 no new endpoints there; those it has stay
  lanyard host forget node3                it is gone for good: what it held is free again
  lanyard host label node2 lan=eno1        "-o parent=label=lan" is eno1 on node2`

const STORE_EXAMPLES = `
"file" is the store in --state; anything else is read as --store is.

Examples:
  lanyard store check --store etcd://10.0.0.5:2379
  lanyard store migrate --from file --to etcd://10.0.0.5:2379
  lanyard store backup /root/lanyard.json --store etcd://10.0.0.5:2379
  lanyard store restore /root/lanyard.json --store etcd://10.0.0.6:2379   into an empty one

Exit status of check: 0 clean, 1 something is wrong.`

export function addHostCommands(program: Command): void {
  const host = program
    .command('host')
    .description('hosts that share an etcd: which there are, drained, forgotten')
    .helpCommand(false)
    .addHelpText('after', HOST_EXAMPLES)
  addPlaceOptions(host.command('ls').alias('list').description('list hosts and what they hold'))
    .option('--json', 'print as JSON')
    .action(async (options: HostOptions) => {
      await (await import('./host.ts')).hostList(options)
    })
  addPlaceOptions(host.command('drain').description('take no new endpoints on a host'))
    .argument('<host>', 'name or machine-id')
    .option('--off', 'take them again')
    .action(async (name: string, options: HostOptions) => {
      await (await import('./host.ts')).hostDrain(name, options)
    })
  addPlaceOptions(host.command('forget').description('free what a host held that is gone for good'))
    .argument('<host>', 'name or machine-id')
    .option('-f, --force', 'although its daemon gives signs of life')
    .action(async (name: string, options: HostOptions) => {
      await (await import('./host.ts')).hostForget(name, options)
    })
  addPlaceOptions(host.command('label').description('give links of a host names to find them by'))
    .argument('<host>', 'name or machine-id')
    .argument('<label=link...>', 'an empty link takes a label away')
    .action(async (name: string, labels: readonly string[], options: HostOptions) => {
      await (await import('./host.ts')).hostLabel(name, labels, options)
    })
  addStoreCommands(program)
}

function addStoreCommands(program: Command): void {
  const store = program
    .command('store')
    .description('the records: checked, moved, copied, put back')
    .helpCommand(false)
    .addHelpText('after', STORE_EXAMPLES)
  addPlaceOptions(store.command('check').description('look whether all records agree'))
    .option('--json', 'print as JSON')
    .action(async (options: StoreOptions) => {
      process.exitCode = await (await import('./store.ts')).storeCheck(options)
    })
  addPlaceOptions(store.command('migrate').description('move all to another, empty store'))
    .requiredOption('--from <store>', 'file, or as --store says it')
    .requiredOption('--to <store>', 'file, or as --store says it')
    .action(async (options: MigrateOptions) => {
      await (await import('./store.ts')).storeMigrate(options)
    })
  addPlaceOptions(store.command('backup').description('write all to a file'))
    .argument('<file>', 'JSON, for root only')
    .action(async (path: string, options: StoreOptions) => {
      await (await import('./store.ts')).storeBackup(path, options)
    })
  addPlaceOptions(store.command('restore').description('put a backup into an empty store'))
    .argument('<file>', 'of "store backup"')
    .action(async (path: string, options: StoreOptions) => {
      await (await import('./store.ts')).storeRestore(path, options)
    })
}
