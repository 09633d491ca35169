/** `docker network ls|inspect|rm|connect|disconnect|prune`. */
import { tryParseIp } from '../../addr/ip.ts'
import { ToolExit } from '../arguments.ts'
import { applyOne } from '../request.ts'
import { done, failed, type Output } from '../session.ts'
import { Flags, flagRows } from './flags.ts'
import { inspectNetwork } from './inspect.ts'
import { networkCreate } from './network-create.ts'
import { joinNetwork, leaveNetwork } from './sandbox.ts'
import { type Daemon, type DockerNetwork, type DockerPlace, idOf, refuse } from './state.ts'
import { dockerJson, dockerTable, dockerTemplate } from './table.ts'
import { needs } from './usage.ts'

type Verb = (daemon: Daemon, words: readonly string[]) => Promise<Output>

const HELP = `
Usage:  docker network COMMAND

Manage networks

Commands:
  connect     Connect a container to a network
  create      Create a network
  disconnect  Disconnect a container from a network
  inspect     Display detailed information on one or more networks
  ls          List networks
  prune       Remove all unused networks
  rm          Remove one or more networks

Run 'docker network COMMAND --help' for more information on a command.
`

export const networkCommand: Verb = async (daemon, words) => {
  const [verb = '', ...rest] = words
  const found = VERBS[verb]
  if (found !== undefined) return found(daemon, rest)
  return verb === '' || verb === '--help' ? done(HELP) : failed(1, HELP)
}

interface Row {
  readonly name: string
  readonly id: string
  readonly driver: string
}

/** The three every daemon has, and its own. */
function rowsOf(daemon: Daemon): Row[] {
  const own = (name: string, driver: string): Row => ({
    name,
    driver,
    id: idOf(`${daemon.session.machine?.name ?? ''} ${name}`),
  })
  const all = [own('bridge', 'bridge'), own('host', 'host'), own('none', 'null')]
  return [...all, ...daemon.networks].toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

const ls: Verb = async (daemon, words) => {
  const rows = flagRows('q|quiet no-trunc f|filter= format=')
  const flags = new Flags('network ls', rows, words)
  const filters = flags.all('filter').map((f) => f.split('='))
  const unknown = filters.find(([key = '']) => !['driver', 'name', 'id', 'type'].includes(key))
  if (unknown !== undefined) {
    const what = `filter ${unknown[0]} of docker network ls`
    throw new ToolExit(127, `lanyard: ${what} is not part of this shell yet\n`)
  }
  const kept = rowsOf(daemon).filter((r) =>
    filters.every(([key, value = '']) => {
      if (key === 'driver') return r.driver === value
      if (key === 'name') return r.name.includes(value)
      if (key === 'id') return r.id.startsWith(value)
      return (value === 'custom') === daemon.networks.some((n) => n.name === r.name)
    }),
  )
  const id = (r: Row): string => (flags.has('no-trunc') ? r.id : r.id.slice(0, 12))
  const format = flags.one('format')
  if (flags.has('quiet')) return done(kept.map((r) => `${id(r)}\n`).join(''))
  if (format !== undefined) {
    const view = (r: Row) => ({ ID: id(r), Name: r.name, Driver: r.driver, Scope: 'local' })
    return done(kept.map((r) => dockerTemplate(format, view(r))).join(''))
  }
  const head = ['NETWORK ID', 'NAME', 'DRIVER', 'SCOPE']
  return done(dockerTable([head, ...kept.map((r) => [id(r), r.name, r.driver, 'local'])]))
}

const inspect: Verb = async (daemon, words) => {
  const flags = new Flags('network inspect', flagRows('f|format= v|verbose'), words)
  needs('network inspect', flags.words, 1)
  const found = flags.words.map((word) => daemon.findNetwork(word))
  const views = found.flatMap((n) => (n === undefined ? [] : [inspectNetwork(daemon, n)]))
  const missing = flags.words.filter((_, n) => found[n] === undefined)
  const format = flags.one('format')
  const stdout =
    format === undefined
      ? views.length === 0
        ? '[]\n'
        : dockerJson(views)
      : views.map((v) => dockerTemplate(format, v)).join('')
  const here = missing.filter((w) => ['bridge', 'host', 'none'].includes(w))
  if (here.length > 0) {
    const what = `docker network inspect ${here[0]}`
    throw new ToolExit(127, `lanyard: "${what}" is not part of this shell yet\n`)
  }
  const stderr = missing.map((word) => noSuchNetwork(daemon, word)).join('')
  return { code: stderr === '' ? 0 : 1, stdout, stderr }
}

const noSuchNetwork = (daemon: Daemon, word: string): string =>
  daemon.dialect === '29'
    ? `Error response from daemon: network ${word} not found\n`
    : `Error: No such network: ${word}\n`

const rm: Verb = async (daemon, words) => {
  const flags = new Flags('network rm', flagRows('f|force'), words)
  needs('network rm', flags.words, 1)
  let stdout = ''
  let stderr = ''
  for (const word of flags.words) {
    const network = daemon.findNetwork(word)
    if (network === undefined) {
      if (['bridge', 'host', 'none'].includes(word)) {
        stderr += `Error response from daemon: ${word} is a pre-defined network and cannot be removed\n`
      } else stderr += noSuchNetwork(daemon, word)
      continue
    }
    const busy = busyText(daemon, network)
    if (busy !== undefined) stderr += `Error response from daemon: ${busy}\n`
    else {
      await removeNetwork(daemon, network)
      stdout += `${word}\n`
    }
  }
  daemon.save()
  return { code: stderr === '' ? 0 : 1, stdout, stderr }
}

/** Why a network cannot go: somebody runs on it. */
function busyText(daemon: Daemon, network: DockerNetwork): string | undefined {
  const users = daemon.containers.flatMap((c) =>
    c.places
      .filter((p) => p.network === network.name && p.now !== undefined)
      .map((p) => ({ c, p })),
  )
  if (users.length === 0) return undefined
  const start = `error while removing network: network ${network.name}`
  if (daemon.dialect === '20.10') return `${start} id ${network.id} has active endpoints`
  const names = users.map(({ c, p }) => `name:"${c.name}" id:"${p.now?.endpoint.slice(0, 12)}"`)
  return `${start} has active endpoints (${names.join(', ')})`
}

async function removeNetwork(daemon: Daemon, network: DockerNetwork): Promise<void> {
  daemon.networks = daemon.networks.filter((n) => n !== network)
  const shared = daemon.networks.some((n) => n.parent === network.parent && n.parentOwned)
  if (network.parentOwned && !shared) {
    await applyOne(daemon.session, { do: 'link.del', netns: '', name: network.parent })
  }
}

const prune: Verb = async (daemon, words) => {
  const flags = new Flags('network prune', flagRows('f|force filter=!'), words)
  if (!flags.has('force')) {
    const warning =
      'WARNING! This will remove all custom networks not used by at least one container.'
    return done(`${warning}\nAre you sure you want to continue? [y/N] `)
  }
  const gone = daemon.networks.filter((n) => busyText(daemon, n) === undefined)
  for (const network of gone) await removeNetwork(daemon, network)
  daemon.save()
  if (gone.length === 0) return done()
  return done(`Deleted Networks:\n${gone.map((n) => `${n.name}\n`).join('')}\n`)
}

const CONNECT = flagRows('alias=! driver-opt=! gw-priority=! ip= ip6= link=! link-local-ip=!')

const connect: Verb = async (daemon, words) => {
  const flags = new Flags('network connect', CONNECT, words)
  needs('network connect', flags.words, 2, 'exactly')
  const [name = '', who = ''] = flags.words
  const network = daemon.findNetwork(name)
  const container = daemon.findContainer(who)
  if (network === undefined) return refuse(`network ${name} not found`)
  if (container === undefined) return refuse(`No such container: ${who}`)
  if (container.places.some((p) => p.network === network.name)) {
    refuse(`endpoint with name ${container.name} already exists in network ${network.name}`)
  }
  const place = placeFrom(network, flags.one('ip'), flags.one('ip6'), undefined)
  if (container.status === 'running') {
    daemon.put(await joinNetwork(daemon, container, place))
  } else daemon.put({ ...container, places: [...container.places, place] })
  daemon.save()
  return done()
}

/** A place as asked for; bad addresses are the client's to tell. */
export function placeFrom(
  network: { readonly name: string },
  ip: string | undefined,
  ip6: string | undefined,
  mac: string | undefined,
): DockerPlace {
  if (ip !== undefined && typeof tryParseIp(ip) !== 'number') refuse(`invalid IPv4 address: ${ip}`)
  if (ip6 !== undefined && typeof tryParseIp(ip6) !== 'bigint') {
    refuse(`invalid IPv6 address: ${ip6}`)
  }
  return {
    network: network.name,
    ...(ip === undefined ? {} : { wantedIp: ip }),
    ...(ip6 === undefined ? {} : { wantedIp6: ip6 }),
    ...(mac === undefined ? {} : { wantedMac: mac }),
  }
}

const disconnect: Verb = async (daemon, words) => {
  const flags = new Flags('network disconnect', flagRows('f|force'), words)
  needs('network disconnect', flags.words, 2, 'exactly')
  const [name = '', who = ''] = flags.words
  const network = daemon.findNetwork(name)
  const container = daemon.findContainer(who)
  if (network === undefined) return refuse(`network ${name} not found`)
  if (container === undefined) return refuse(`No such container: ${who}`)
  if (!container.places.some((p) => p.network === network.name)) {
    refuse(`container ${container.id} is not connected to network ${network.name}`)
  }
  daemon.put(await leaveNetwork(daemon, container, network))
  daemon.save()
  return done()
}

const VERBS: Readonly<Record<string, Verb>> = {
  create: networkCreate,
  ls,
  list: ls,
  inspect,
  rm,
  remove: rm,
  connect,
  disconnect,
  prune,
}
