/** `lanyard ip ...`: what can be typed; the work is in ip.ts. */
import type { Command } from 'commander'
import type { ListOptions, ReserveOptions, WhoOptions } from './ip.ts'
import { addPlaceOptions, type PlaceOptions } from './place.ts'

const EXAMPLES = `
Examples:
  lanyard ip who 192.168.8.9                     a lease of ours, or whoever answers on the LAN
  lanyard ip reserve mcv 192.168.8.50 --name printer
  lanyard ip ls mcv --json | jq -r '.[].address'`

export function addIpCommands(program: Command): void {
  const ip = program
    .command('ip')
    .description('addresses: who has which, which is next, which are kept')
    .helpCommand(false)
    .addHelpText('after', EXAMPLES)
  const sub = (name: string, says: string): Command =>
    addPlaceOptions(ip.command(name).description(says)).option('--json', 'print as JSON')
  sub('ls', 'list addresses that are held, kept, or cooling down')
    .alias('list')
    .argument('[network]', 'those of one network; default all')
    .option('--segment <name>', 'those of one broadcast domain')
    .option('-q, --quiet', 'print addresses only')
    .action(async (network: string | undefined, options: ListOptions) => {
      const { ipList } = await import('./ip.ts')
      await ipList(network, options)
    })
  sub('who', 'tell who has an address; exit status 1 when nobody has')
    .argument('<address>', 'IPv4 or IPv6 address')
    .action(async (address: string, options: WhoOptions) => {
      const { ipWho } = await import('./ip.ts')
      process.exitCode = await ipWho(address, options)
    })
  sub('next', 'print the addresses the next endpoint of a network would get')
    .argument('<network>', 'name or id')
    .action(async (network: string, options: WhoOptions) => {
      const { ipNext } = await import('./ip.ts')
      await ipNext(network, options)
    })
  sub('reserve', 'keep an address from being handed out')
    .argument('<network>', 'name or id')
    .argument('<address>', 'the address')
    .option('--name <name>', 'what it is kept for', 'reserved')
    .action(async (network: string, address: string, options: ReserveOptions) => {
      const { ipReserve } = await import('./ip.ts')
      await ipReserve(network, address, options)
    })
  addPlaceOptions(ip.command('release').description('give a kept address back'))
    .argument('<network>', 'name or id')
    .argument('<address>', 'the address')
    .action(async (network: string, address: string, options: PlaceOptions) => {
      const { ipRelease } = await import('./ip.ts')
      await ipRelease(network, address, options)
    })
}
