/**
 * Netlink connections and looked-up links for the length of one `apply` or `snapshot`.
 *
 * An open socket keeps its namespace alive with every link in it, so connections are never kept
 * longer than the work they were opened for (opening one costs about 12 us).
 */
import { type Outgoing, outgoing, type Refusal } from '../netlink/message.ts'
import { Connection } from '../netlink/request.ts'
import { RTM_GETLINK } from '../netlink/tables/header.ts'
import { linkIdentity, RTEXT_FILTER_SKIP_STATS } from '../netlink/tables/link.ts'
import { openTransport } from './transport.ts'

/** Far below the usual limit of 1,024 descriptors a process. */
const OPEN_MAX = 128

export class Connections {
  readonly #open = new Map<string, Connection>()

  /**
   * The connection of a namespace.
   * @throws LanyardError `netns-missing`; SysError
   */
  to(netns: string): Connection {
    const known = this.#open.get(netns)
    if (known !== undefined) return known
    if (this.#open.size >= OPEN_MAX) {
      const oldest = this.#open.keys().next().value
      if (oldest !== undefined) this.release(oldest)
    }
    const connection = new Connection(openTransport(netns))
    this.#open.set(netns, connection)
    return connection
  }

  /** Closes the connection of a namespace that is about to go. */
  release(netns: string): void {
    this.#open.get(netns)?.close()
    this.#open.delete(netns)
  }

  close(): void {
    for (const connection of this.#open.values()) connection.close()
    this.#open.clear()
  }
}

export interface KnownLink {
  readonly ok: true
  readonly index: number
  /** As in `IFLA_INFO_KIND`; hardware has none. */
  readonly kind: string | undefined
}

/**
 * Links by name. What was found is kept until an op of ours may have changed it; changes by others
 * show as ENODEV, see {@link Links.send}.
 */
export class Links {
  readonly #connections: Connections
  readonly #known = new Map<string, KnownLink>()
  /** Lookups answered from memory. */
  #remembered = 0

  constructor(connections: Connections) {
    this.#connections = connections
  }

  /** Equivalent to: `ip link show dev NAME`. The refusal is the kernel's: ENODEV, ERANGE. */
  find(netns: string, name: string): KnownLink | Refusal {
    const key = `${netns}\0${name}`
    const known = this.#known.get(key)
    if (known !== undefined) {
      this.#remembered++
      return known
    }
    const request = outgoing(
      RTM_GETLINK,
      0,
      linkIdentity,
      {},
      { name, extMask: RTEXT_FILTER_SKIP_STATS },
    )
    const answer = this.#connections.to(netns).get(request, linkIdentity)
    if (!answer.ok) return { ...answer, extack: undefined }
    if (answer.entry === undefined) return NO_DEVICE
    const { header, attributes } = answer.entry
    const link: KnownLink = { ok: true, index: header.index, kind: attributes.info?.kind }
    this.#known.set(key, link)
    return link
  }

  /** Forgets everything: an op may have removed, renamed or moved links. */
  forget(): void {
    this.#known.clear()
  }

  /**
   * Builds a request and sends it. When the kernel does not know a link that was found earlier,
   * somebody replaced it meanwhile: links are looked up again and the request is made once more.
   */
  send(netns: string, build: () => Outgoing | Refusal): Refusal | undefined {
    const before = this.#remembered
    const first = this.#once(netns, build)
    if (first?.errno !== 'ENODEV' || this.#remembered === before) return first
    this.forget()
    return this.#once(netns, build)
  }

  #once(netns: string, build: () => Outgoing | Refusal): Refusal | undefined {
    const message = build()
    if ('ok' in message) return message
    const answer = this.#connections.to(netns).request(message)
    return answer.ok ? undefined : answer
  }
}

/** What iproute2 says by itself as `Cannot find device "..."`. */
export const NO_DEVICE: Refusal = refusal('ENODEV')

/** A refusal without a text from the kernel. */
export function refusal(errno: string): Refusal {
  return { ok: false, errno, extack: undefined, offset: undefined }
}
