/** What people call the namespaces of a machine: as Docker, podman, `ip netns` or Lanyard do. */
import type { Snapshot } from '../fabric/snapshot.ts'
import type { FoundNamespace } from '../kernel/namespaces.ts'
import { type Container, commandOf, containerIdOf } from './containers.ts'

export interface LiveNames {
  /** Namespace, as in a Plan -> what it is called. */
  readonly of: ReadonlyMap<string, string>
  /** Everything a namespace may be called by -> the namespace. */
  readonly known: ReadonlyMap<string, string>
  /** Whose a namespace is, where an engine says so. */
  readonly owners: ReadonlyMap<string, Container>
}

const HOST = 'host'
const ALIAS = /^lanyard:([^:/]+)\/(.+)$/

/** @param command and `containerId` of a process, for namespaces without any other name */
export function nameNamespaces(
  namespaces: readonly FoundNamespace[],
  snapshot: Snapshot,
  containers: readonly Container[],
  look: {
    readonly command: (pid: number) => string | undefined
    readonly containerId: (pid: number) => string | undefined
  } = { command: commandOf, containerId: containerIdOf },
): LiveNames {
  const of = new Map<string, string>()
  const known = new Map<string, string>()
  const owners = new Map<string, Container>()
  const call = (name: string, netns: string): void => {
    if (!known.has(name)) known.set(name, netns)
  }
  call(HOST, '')
  for (const { netns, files, pids } of namespaces) {
    const inside = new Set(pids)
    const theirs = containers.filter(
      ({ pid, file }) =>
        (pid !== undefined && inside.has(pid)) || (file !== undefined && files.includes(file)),
    )
    for (const { name } of theirs) call(name, netns)
    const [first] = theirs
    if (first !== undefined && netns !== '') owners.set(netns, first)
    const endpoint = netns === '' ? undefined : endpointIn(snapshot, netns)
    if (endpoint !== undefined) {
      call(endpoint.name, netns)
      call(`${endpoint.network}/${endpoint.name}`, netns)
    }
    for (const path of files) call(path.slice(path.lastIndexOf('/') + 1), netns)
    for (const pid of pids) known.set(`pid:${pid}`, netns)
    const named = netns.startsWith('/') || netns.startsWith('pid:') ? undefined : netns
    const friendly = first?.name ?? named ?? endpoint?.name ?? unnamed(netns, pids[0], look)
    of.set(netns, netns === '' ? HOST : friendly)
  }
  for (const [netns, name] of of) call(name, netns)
  return { of, known, owners }
}

/** The endpoint of Lanyard's a namespace is the sandbox of. */
function endpointIn(snapshot: Snapshot, netns: string) {
  const links = snapshot.netns.find(({ name }) => name === netns)?.links ?? []
  for (const { alias } of links) {
    const match = ALIAS.exec(alias ?? '')
    if (match?.[1] !== undefined && match[2] !== undefined && match[1] !== 'parent') {
      return { network: match[1], name: match[2] }
    }
  }
  return undefined
}

function unnamed(
  netns: string,
  pid: number | undefined,
  look: Parameters<typeof nameNamespaces>[3] & {},
): string {
  if (pid === undefined) return netns.slice(netns.lastIndexOf('/') + 1)
  const id = look.containerId(pid)
  if (id !== undefined) return id.slice(0, 12)
  const command = look.command(pid)
  return command === undefined ? `pid:${pid}` : `${command}:${pid}`
}
