/**
 * `docker` of a simulated machine: the client's words and the daemon's answers, as 20.10 gives them
 * (read off a real one), or as 29 does (`echo 29 > /etc/docker/dialect`). Images are not simulated:
 * every one is there, and has busybox in it, or the tools themselves if it is a distribution.
 */
import * as container from '../docker/container.ts'
import { networkCommand } from '../docker/network.ts'
import { Daemon } from '../docker/state.ts'
import { dockerTemplate } from '../docker/table.ts'
import { Flags, flagRows } from '../docker/flags.ts'
import { dockerHelp } from '../docker/usage.ts'
import { guarded } from '../request.ts'
import { type Command, done, failed, type Output } from '../session.ts'
import { ToolExit } from '../arguments.ts'
import type { Exec } from './ip.ts'

const CONTAINER: Readonly<Record<string, container.Verb>> = {
  run: container.run,
  exec: container.execute,
  ps: container.ps,
  ls: container.ps,
  list: container.ps,
  rm: container.rm,
  stop: container.stop,
  start: container.start,
  inspect: container.inspector(true),
}

const TOP: Readonly<Record<string, container.Verb>> = {
  ...CONTAINER,
  inspect: container.inspector(false),
  network: (daemon, words) => networkCommand(daemon, words),
  version: (daemon, words) => version(daemon, words),
}

/** What docker has and this shell does not. */
const KNOWN =
  `attach build builder buildx commit compose config context cp create diff events export
  history image images import info kill load login logout logs manifest node pause plugin port pull
  push rename restart rmi save search secret service stack stats swarm system tag top trust unpause
  update volume wait`.split(/\s+/)

/** @param exec runs words in a container's session */
export function dockerCommand(exec: Exec): Command {
  return (session, words, stdin) =>
    guarded(async () => {
      let [name = '', ...rest] = words
      let table = TOP
      let group = ''
      if (name === 'container') {
        table = CONTAINER
        group = 'container '
        ;[name = '', ...rest] = rest
      }
      const verb = Object.hasOwn(table, name) ? table[name] : undefined
      if (verb !== undefined) {
        return verb(await Daemon.open(session), rest, exec, stdin)
      }
      if (name === '' || name === '--help') return done(dockerHelp())
      if (KNOWN.includes(name) || (group !== '' && name === 'prune'))
        return notHere(`docker ${group}${name}`)
      return failed(1, `docker: '${name}' is not a docker command.\nSee 'docker --help'\n`)
    })
}

function notHere(what: string): Output {
  const has = 'network, run, ps, exec, inspect, rm, stop, start, version'
  return failed(127, `lanyard: "${what}" is not part of this shell yet; it has ${has}\n`)
}

async function version(daemon: Daemon, words: readonly string[]): Promise<Output> {
  const flags = new Flags('version', flagRows('f|format='), words)
  if (flags.words.length > 0) {
    const text = '"docker version" accepts no arguments.\nSee \'docker version --help\'.\n\n'
    throw new ToolExit(
      1,
      `${text}Usage:  docker version [OPTIONS]\n\nShow the Docker version information\n`,
    )
  }
  const [release, api] =
    daemon.dialect === '29' ? (['29.0.0', '1.52'] as const) : (['20.10.24', '1.41'] as const)
  const side = { Version: release, ApiVersion: api, Os: 'linux', Arch: 'amd64' }
  const format = flags.one('format')
  if (format !== undefined) return done(dockerTemplate(format, { Client: side, Server: side }))
  const least = daemon.dialect === '29' ? '1.44' : '1.12'
  return done(`Client:
 Version:           ${release}
 API version:       ${api}
 OS/Arch:           linux/amd64

Server: simulated by Lanyard
 Engine:
  Version:          ${release}
  API version:      ${api} (minimum version ${least})
  OS/Arch:          linux/amd64
`)
}
