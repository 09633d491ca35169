/** `docker run|exec|ps|rm|stop|start|inspect`: containers are namespaces with busybox in them. */
import { formatMac, tryParseMac } from '../../addr/mac.ts'
import { type Exec } from '../commands/ip.ts'
import { ToolExit } from '../arguments.ts'
import { done, type Inside, type Output } from '../session.ts'
import { Flags, flagRows } from './flags.ts'
import { inspectContainer, inspectNetwork } from './inspect.ts'
import { placeFrom } from './network.ts'
import { startSandbox, stopSandbox } from './sandbox.ts'
import { type Daemon, type DockerContainer, netnsOf, refuse } from './state.ts'
import { ago, dockerJson, dockerTable, dockerTemplate } from './table.ts'
import { needs } from './usage.ts'

export type Verb = (
  daemon: Daemon,
  words: readonly string[],
  exec: Exec,
  stdin: string,
) => Promise<Output>

const RUN = flagRows(`i|interactive t|tty d|detach rm name= net= network= ip= ip6= mac-address=
  h|hostname= e|env= l|label= privileged cap-add= entrypoint=! v|volume=! p|publish=! P|publish-all!
  restart=! network-alias=! w|workdir=! u|user=! dns=! init init=! m|memory=! c|cpu-shares=! pid=!
  sysctl=! pull=! q|quiet`)

/** What runs until it is stopped, whatever its words. */
const LASTING = ['top', 'sleep', 'tail', 'nginx', 'httpd', 'cat', 'init', 'watch']
const SHELLS = ['sh', 'ash', 'bash', '/bin/sh', '/bin/ash', '/bin/bash']
/** What an image runs when nothing is said; others are taken for a service. */
const COMMANDS: Readonly<Record<string, string>> = {
  busybox: 'sh',
  alpine: '/bin/sh',
  ubuntu: 'bash',
  debian: 'bash',
  centos: '/bin/bash',
}
/** The prompt of a root shell in them. */
const PROMPT = '/ # '

const imageOf = (image: string): string => image.replace(/^.*\//, '').replace(/[:@].*$/, '')

/** Distributions have the tools themselves; what is small has busybox's. */
const isBusybox = (image: string): boolean =>
  !['ubuntu', 'debian', 'centos', 'fedora', 'rockylinux'].includes(imageOf(image))

export const run: Verb = async (daemon, words, exec, stdin) => {
  const flags = new Flags('run', RUN, words)
  needs('run', flags.words, 1)
  const [image = '', ...command] = flags.words
  const container = create(daemon, flags, image, command)
  daemon.put(container)
  daemon.save()
  const detached = flags.has('detach')
  const id = detached ? `${container.id}\n` : ''
  let running: DockerContainer
  try {
    running = await startContainer(daemon, container)
  } catch (error) {
    if (!(error instanceof ToolExit)) throw error
    daemon.put(container)
    if (container.autoRemove) daemon.drop(container)
    daemon.save()
    const text = error.output.stderr.trimEnd()
    throw new ToolExit(125, `docker: ${text}${runTail(daemon, false)}`, id)
  }
  daemon.save()
  if (lasts(running)) {
    if (detached) return done(id)
    if (!SHELLS.includes(running.command[0] ?? '')) {
      const what = `docker run without -d of ${running.command[0]}`
      await end(daemon, running, 0)
      return {
        code: 127,
        stdout: '',
        stderr: `lanyard: "${what}" is not part of this shell: nobody would end it\n`,
      }
    }
    const inside: Inside = {
      container: running.name,
      prompt: PROMPT,
      atEnd: running.autoRemove ? `docker rm -f ${running.name}` : `docker stop ${running.name}`,
    }
    return { ...done(), inside }
  }
  const out = readsNothing(running)
    ? done()
    : await inContainer(daemon, running, running.command, exec, stdin)
  await end(daemon, running, out.code)
  return detached ? done(id) : out
}

/** The tail of a message of `docker run`: a full stop once, a hint by now. */
function runTail(daemon: Daemon, see: boolean): string {
  if (daemon.dialect === '29') return "\n\nRun 'docker run --help' for more information\n"
  return see ? ".\nSee 'docker run --help'.\n" : '.\n'
}

function create(
  daemon: Daemon,
  flags: Flags,
  image: string,
  words: readonly string[],
): DockerContainer {
  const stop = (text: string): never => {
    throw new ToolExit(125, `docker: ${text}${runTail(daemon, true)}`)
  }
  const mac = flags.one('mac-address')
  if (mac !== undefined && tryParseMac(mac) === undefined) stop(`${mac} is not a valid mac address`)
  const network = flags.one('network') ?? flags.one('net') ?? 'bridge'
  if (['bridge', 'default', 'host'].includes(network)) {
    const what = `docker run on the ${network === 'default' ? 'bridge' : network} network`
    const nearest = 'nearest: --network with a network of docker network create -d macvlan'
    throw new ToolExit(127, `lanyard: ${what} is not part of this shell yet; ${nearest}\n`)
  }
  const name = flags.one('name') ?? daemon.newName()
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) {
    const allowed = 'only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed'
    stop(`Error response from daemon: Invalid container name (${name}), ${allowed}`)
  }
  const holder = daemon.containers.find((c) => c.name === name)
  if (holder !== undefined) {
    const mend = 'You have to remove (or rename) that container to be able to reuse that name'
    const used = `The container name "/${name}" is already in use by container "${holder.id}"`
    stop(`Error response from daemon: Conflict. ${used}. ${mend}`)
  }
  const found = daemon.findNetwork(network)
  const place = placeFrom(
    { name: found?.name ?? network },
    flags.one('ip'),
    flags.one('ip6'),
    mac === undefined ? undefined : formatMac(tryParseMac(mac) ?? 0),
  )
  const standard = COMMANDS[imageOf(image)]
  return {
    name,
    id: daemon.newId(),
    image,
    command: words.length > 0 ? words : [standard ?? imageOf(image)],
    tty: flags.has('tty'),
    stdin: flags.has('interactive'),
    autoRemove: flags.has('rm'),
    createdNs: daemon.nowNs,
    status: 'created',
    exitCode: 0,
    nextLink: 0,
    places: network === 'none' ? [] : [place],
  }
}

/** Whether its first process goes on: a shell somebody may talk to, a service. */
function lasts({ command, tty, stdin, image }: DockerContainer): boolean {
  const [program = ''] = command
  if (SHELLS.includes(program)) return command.length === 1 && (tty || stdin)
  return LASTING.includes(program) || (command.length === 1 && program === imageOf(image))
}

/** A shell whose input is at its end: it ends well. */
function readsNothing({ command, tty, stdin }: DockerContainer): boolean {
  return command.length === 1 && SHELLS.includes(command[0] ?? '') && !tty && !stdin
}

async function startContainer(
  daemon: Daemon,
  container: DockerContainer,
): Promise<DockerContainer> {
  for (const { network } of container.places) {
    if (daemon.findNetwork(network) === undefined) refuse(`network ${network} not found`)
  }
  const made = await startSandbox(daemon, container)
  const running: DockerContainer = { ...made, status: 'running', startedNs: daemon.nowNs }
  daemon.put(running)
  return running
}

/** Its first process has ended. */
async function end(daemon: Daemon, container: DockerContainer, code: number): Promise<void> {
  const now = daemon.findContainer(container.id) ?? container
  const stopped = await stopSandbox(daemon, now)
  if (container.autoRemove) daemon.drop(container)
  else daemon.put({ ...stopped, status: 'exited', exitCode: code, endedNs: daemon.nowNs })
  daemon.save()
}

async function inContainer(
  daemon: Daemon,
  container: DockerContainer,
  words: readonly string[],
  exec: Exec,
  stdin: string,
): Promise<Output> {
  const { machine, busybox: _, ...session } = daemon.session
  const out = await exec(
    {
      ...session,
      netns: netnsOf(container),
      ...(machine === undefined
        ? {}
        : { machine: { ...machine, name: container.id.slice(0, 12) } }),
      ...(isBusybox(container.image) ? { busybox: true as const } : {}),
    },
    words,
    stdin,
  )
  if (out.code !== 127 || !out.stderr.startsWith('lanyard: command ')) return out
  const why = `exec: "${words[0]}": executable file not found in $PATH`
  const text = `OCI runtime exec failed: exec failed: unable to start container process: ${why}: unknown\n`
  return { code: 126, stdout: text, stderr: '' }
}

const EXEC = flagRows(`i|interactive t|tty d|detach e|env= u|user= w|workdir= privileged
  detach-keys=! env-file=!`)

export const execute: Verb = async (daemon, words, exec, stdin) => {
  const flags = new Flags('exec', EXEC, words)
  needs('exec', flags.words, 2)
  const [who = '', ...command] = flags.words
  const container = daemon.findContainer(who)
  if (container === undefined) return missing(daemon, who, 'container')
  if (container.status !== 'running') {
    const kind = daemon.dialect === '29' ? 'container' : 'Container'
    return refuse(`${kind} ${container.id} is not running`)
  }
  if (SHELLS.includes(command[0] ?? '') && command.length === 1) {
    if (flags.has('tty'))
      return { ...done(), inside: { container: container.name, prompt: PROMPT } }
    return inContainer(daemon, container, ['sh', '-c', stdin.replaceAll('\n', ';')], exec, '')
  }
  return inContainer(daemon, container, command, exec, stdin)
}

function missing(daemon: Daemon, who: string, what: 'container' | 'object'): never {
  if (what === 'container' && daemon.dialect === '29') refuse(`No such container: ${who}`)
  const text = what === 'object' && daemon.dialect === '29' ? 'error: no such' : 'Error: No such'
  throw new ToolExit(1, `${text} ${what}: ${who}\n`)
}

export const ps: Verb = async (daemon, words) => {
  const rows = flagRows('a|all q|quiet no-trunc n|last=! l|latest! s|size! f|filter=! format=')
  const flags = new Flags('ps', rows, words)
  const kept = daemon.containers
    .filter((c) => flags.has('all') || c.status === 'running')
    .toReversed()
  const id = (c: DockerContainer): string => (flags.has('no-trunc') ? c.id : c.id.slice(0, 12))
  if (flags.has('quiet')) return done(kept.map((c) => `${id(c)}\n`).join(''))
  const commandOf = (c: DockerContainer): string => {
    const text = c.command.join(' ')
    const short = text.length > 20 && !flags.has('no-trunc') ? `${text.slice(0, 19)}…` : text
    return `"${short}"`
  }
  const format = flags.one('format')
  if (format !== undefined) {
    const view = (c: DockerContainer) => ({
      ID: id(c),
      Image: c.image,
      Command: commandOf(c),
      Status: statusOf(daemon, c),
      Names: c.name,
      Networks: c.places.map((p) => p.network).join(','),
      Ports: '',
      State: c.status,
    })
    return done(kept.map((c) => dockerTemplate(format, view(c))).join(''))
  }
  const head = ['CONTAINER ID', 'IMAGE', 'COMMAND', 'CREATED', 'STATUS', 'PORTS', 'NAMES']
  const body = kept.map((c) => {
    const created = `${ago(daemon.nowNs - c.createdNs)} ago`
    return [id(c), c.image, commandOf(c), created, statusOf(daemon, c), '', c.name]
  })
  return done(dockerTable([head, ...body]))
}

function statusOf(daemon: Daemon, c: DockerContainer): string {
  if (c.status === 'created') return 'Created'
  if (c.status === 'running') return `Up ${ago(daemon.nowNs - (c.startedNs ?? 0))}`
  return `Exited (${c.exitCode}) ${ago(daemon.nowNs - (c.endedNs ?? 0))} ago`
}

export const rm: Verb = async (daemon, words) => {
  const flags = new Flags('rm', flagRows('f|force v|volumes l|link!'), words)
  needs('rm', flags.words, 1)
  return forEach(
    daemon,
    flags.words,
    async (container) => {
      if (container.status === 'running') {
        if (!flags.has('force')) {
          const mend = 'Stop the container before attempting removal or force remove'
          refuse(`You cannot remove a running container ${container.id}. ${mend}`)
        }
        await stopSandbox(daemon, container)
      }
      daemon.drop(container)
    },
    (who) => [`Error: No such container: ${who}\n`, flags.has('force')],
  )
}

export const stop: Verb = async (daemon, words) => {
  const flags = new Flags('stop', flagRows('t|time= timeout= s|signal='), words)
  needs('stop', flags.words, 1)
  const none = (who: string): [string, boolean] => [
    `Error response from daemon: No such container: ${who}\n`,
    false,
  ]
  return forEach(
    daemon,
    flags.words,
    async (container) => {
      // The first process of a container has no handler for SIGTERM: it is killed.
      if (container.status === 'running') await end(daemon, container, 137)
    },
    none,
  )
}

export const start: Verb = async (daemon, words) => {
  const flags = new Flags('start', flagRows('a|attach! i|interactive!'), words)
  needs('start', flags.words, 1)
  const failed: string[] = []
  const out = await forEach(
    daemon,
    flags.words,
    async (container) => {
      if (container.status === 'running') return
      try {
        await startContainer(daemon, container)
      } catch (error) {
        failed.push(container.name)
        daemon.put(container)
        throw error
      }
    },
    (who) => {
      failed.push(who)
      return [`Error response from daemon: No such container: ${who}\n`, false]
    },
  )
  if (failed.length === 0) return out
  const text = `Error: failed to start containers: ${failed.join(', ')}\n`
  return { ...out, stderr: out.stderr + text }
}

/** One after another; each that went well is named, each failure told. */
async function forEach(
  daemon: Daemon,
  words: readonly string[],
  act: (container: DockerContainer) => Promise<void>,
  none: (who: string) => [text: string, fine: boolean],
): Promise<Output> {
  let stdout = ''
  let stderr = ''
  let code = 0
  for (const who of words) {
    const container = daemon.findContainer(who)
    if (container === undefined) {
      const [text, fine] = none(who)
      stderr += text
      if (!fine) code = 1
      continue
    }
    try {
      await act(container)
      stdout += `${who}\n`
    } catch (error) {
      if (!(error instanceof ToolExit)) throw error
      stderr += error.output.stderr
      code = 1
    }
  }
  daemon.save()
  return { code, stdout, stderr }
}

/** `docker inspect` looks for networks too, `docker container inspect` does not. */
export function inspector(containersOnly: boolean): Verb {
  return async (daemon, words) => {
    const flags = new Flags('inspect', flagRows('f|format= s|size! type=!'), words)
    needs('inspect', flags.words, 1)
    const views: unknown[] = []
    let stderr = ''
    for (const who of flags.words) {
      const container = daemon.findContainer(who)
      const network = containersOnly ? undefined : daemon.findNetwork(who)
      if (container !== undefined) views.push(inspectContainer(daemon, container))
      else if (network !== undefined) views.push(inspectNetwork(daemon, network))
      else stderr += `Error: No such ${containersOnly ? 'container' : 'object'}: ${who}\n`
    }
    const format = flags.one('format')
    const stdout =
      format !== undefined
        ? views.map((v) => dockerTemplate(format, v)).join('')
        : views.length === 0
          ? '[]\n'
          : dockerJson(views)
    return { code: stderr === '' ? 0 : 1, stdout, stderr }
  }
}
