/** Every program of the shell by its name. */
import { arpCommand } from './commands/arp.ts'
import { arpingCommand, busyboxArping } from './commands/arping.ts'
import { brctlCommand } from './commands/brctl.ts'
import { bridgeCommand } from './commands/bridge.ts'
import { conntrackCommand } from './commands/conntrack.ts'
import { digCommand, nslookupCommand } from './commands/dns.ts'
import { busyboxIp } from './commands/busybox-ip.ts'
import { dockerCommand } from './commands/docker.ts'
import { busyboxIfconfig, ifconfigCommand } from './commands/ifconfig.ts'
import { type Exec, ipCommand } from './commands/ip.ts'
import { iptablesCommand } from './commands/iptables.ts'
import { iptablesSaveCommand, nftCommand } from './commands/iptables-save.ts'
import { busyboxNc, ncCommand } from './commands/nc.ts'
import { busyboxPing, busyboxPing6, ping6Command, pingCommand } from './commands/ping.ts'
import { routeCommand } from './commands/route.ts'
import { sysctlCommand } from './commands/sysctl.ts'
import { hostnameCommand, lsmodCommand, modprobeCommand, unameCommand } from './commands/system.ts'
import { tcpdumpCommand } from './commands/tcpdump.ts'
import { tcCommand } from './commands/tc.ts'
import { TEXT_COMMANDS } from './commands/text.ts'
import { busyboxTraceroute, tracerouteCommand } from './commands/traceroute.ts'
import { vconfigCommand } from './commands/vconfig.ts'
import { type Command, failed } from './session.ts'

/** Programs by name, and busybox's beside them. */
export interface Registry {
  readonly commands: ReadonlyMap<string, Command>
  readonly applets: ReadonlyMap<string, Command>
}

/** @param exec runs words as a command: what `ip netns exec` and `busybox` need */
export function makeRegistry(exec: Exec): Registry {
  const ip = ipCommand(exec)
  const applets: Readonly<Record<string, Command>> = {
    ...TEXT_COMMANDS,
    ping: busyboxPing,
    ping6: busyboxPing6,
    arping: busyboxArping,
    ifconfig: busyboxIfconfig,
    route: routeCommand,
    hostname: hostnameCommand,
    uname: unameCommand,
    lsmod: lsmodCommand,
    arp: arpCommand,
    traceroute: busyboxTraceroute,
    nc: busyboxNc,
    nslookup: nslookupCommand,
    sysctl: sysctlCommand,
    ip: busyboxIp(ip),
  }
  const busybox: Command = (session, words, stdin) => {
    const applet = applets[words[0] ?? '']
    if (applet === undefined)
      return Promise.resolve(unknownCommand(`busybox ${words[0] ?? ''}`, []))
    return applet(session, words.slice(1), stdin)
  }
  const commands = new Map<string, Command>([
    ...Object.entries(TEXT_COMMANDS),
    ['ip', ip],
    ['bridge', bridgeCommand],
    ['tc', tcCommand],
    ['conntrack', conntrackCommand],
    ['brctl', brctlCommand],
    ['vconfig', vconfigCommand(ip)],
    ['iptables', iptablesCommand(4)],
    ['ip6tables', iptablesCommand(6)],
    ['iptables-save', iptablesSaveCommand(4)],
    ['ip6tables-save', iptablesSaveCommand(6)],
    ['nft', nftCommand],
    ['sysctl', sysctlCommand],
    ['ping', pingCommand],
    ['ping6', ping6Command],
    ['arping', arpingCommand],
    ['arp', arpCommand],
    ['ifconfig', ifconfigCommand],
    ['route', routeCommand],
    ['traceroute', tracerouteCommand],
    ['nc', ncCommand],
    ['tcpdump', tcpdumpCommand],
    ['nslookup', nslookupCommand],
    ['dig', digCommand],
    ['hostname', hostnameCommand],
    ['uname', unameCommand],
    ['lsmod', lsmodCommand],
    ['modprobe', modprobeCommand],
    ['busybox', busybox],
    ['docker', dockerCommand(exec)],
  ])
  return { commands, applets: new Map([...Object.entries(applets), ['busybox', busybox]]) }
}

/** Never a silent success: what is not here says so, with the name most like it. */
export function unknownCommand(name: string, names: readonly string[]): ReturnType<typeof failed> {
  const nearest = names.toSorted((a, b) => distance(name, a) - distance(name, b))[0]
  const hint = nearest === undefined ? '' : `; nearest: ${nearest}`
  return failed(127, `lanyard: command ${name} is not part of this shell yet${hint}\n`)
}

/** Levenshtein distance; a shared beginning of two letters counts as near. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, n) => n)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      next.push(Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, (row[j - 1] ?? 0) + cost))
    }
    row = next
  }
  const near = a.slice(0, 2) === b.slice(0, 2) ? 2 : 0
  return (row[b.length] ?? 0) - near
}
