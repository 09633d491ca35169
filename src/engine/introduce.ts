/** After an endpoint came: the LAN is told, and the host's way to it is tried. Nobody waits. */
import { formatMac } from '../addr/mac.ts'
import { isRouted } from '../driver/network.ts'
import { type Context, lanLink } from './context.ts'
import { verifyHostAccess } from './host-access.ts'
import type { Way } from './lan.ts'
import { endpointKey, findEndpoint } from './records.ts'
import type { Endpoint, Network } from './types.ts'

/** Endpoints are tried together once none came for so long, and at the latest after that long. */
const QUIET_MS = 200
const LATEST_MS = 2000
/** How many are tried at once: each takes sockets in its sandbox and on the host. */
const AT_ONCE = 16

interface Newcomer {
  readonly network: Network
  readonly endpoint: Endpoint
}

/**
 * Newcomers are announced at once, since the LAN may know another MAC for their address; that host
 * access works is verified a moment later and for many together, so that the next who comes does
 * not wait for it.
 */
export class Introductions {
  readonly #contextOf: () => Context
  #waiting: Newcomer[] = []
  #busy = false

  constructor(contextOf: () => Context) {
    this.#contextOf = contextOf
  }

  get #context(): Context {
    return this.#contextOf()
  }

  add(network: Network, endpoint: Endpoint): void {
    const { background } = this.#context
    if (!isRouted(network)) background.start(() => announce(this.#context, network, endpoint))
    this.#waiting.push({ network, endpoint })
    if (this.#busy) return
    this.#busy = true
    background.start(() => this.#verifyAll())
  }

  async #verifyAll(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        await this.#quiet()
        const some = this.#waiting.splice(0)
        for (let at = 0; at < some.length; at += AT_ONCE)
          await this.#verifySome(some.slice(at, at + AT_ONCE))
      }
    } finally {
      this.#busy = false
    }
  }

  /** A sandbox that is gone by now spoils the question for all: then they are asked one by one. */
  async #verifySome(some: readonly Newcomer[]): Promise<void> {
    try {
      await verify(this.#context, some)
    } catch (error) {
      const [only] = some
      if (some.length > 1) for (const one of some) await this.#verifySome([one])
      else if (only !== undefined && (await isHere(this.#context, only.endpoint))) throw error
    }
  }

  async #quiet(): Promise<void> {
    for (let ms = 0; ms < LATEST_MS; ms += QUIET_MS) {
      const before = this.#waiting.length
      await this.#context.clock.sleep(QUIET_MS)
      if (this.#waiting.length === before) return
    }
  }
}

async function announce(context: Context, network: Network, endpoint: Endpoint): Promise<void> {
  const addresses = endpoint.addresses.map((a) => a.address)
  const way = async (): Promise<Way | undefined> => {
    if (!(await isHere(context, endpoint))) return undefined
    const link = await lanLink(context, network)
    const parent = await context.view.link(network.parentLink)
    if (link === undefined || parent === undefined) return undefined
    return { link, wire: { name: parent.name, mac: parent.address } }
  }
  await context.lan.announce(endpoint.mac, addresses, way)
}

/** Whether it is where it was: it may have left meanwhile, or come again elsewhere. */
async function isHere(context: Context, endpoint: Endpoint): Promise<boolean> {
  const now = await findEndpoint(context.store, endpoint.network, endpoint.name)
  return now?.phase === 'here' && now.sandbox === endpoint.sandbox
}

async function verify(context: Context, newcomers: readonly Newcomer[]): Promise<void> {
  const wrong = await verifyHostAccess(context, newcomers)
  const { unreached } = context
  for (const newcomer of newcomers) {
    const { endpoint, network } = newcomer
    const why = wrong.get(newcomer)
    const key = endpointKey(network.name, endpoint.name)
    if (why === undefined) unreached.delete(key)
    if (why === undefined || !(await isHere(context, endpoint))) continue
    const detail = `${why} (MAC ${formatMac(endpoint.mac)})`
    // It is introduced again when its parent is back: what was told need not be told again.
    if (unreached.get(key) === detail) continue
    unreached.set(key, detail)
    context.emit({ what: 'drift', network: network.name, endpoint: endpoint.name, detail })
  }
}

/** Those that did not pass are tried again; what is still wrong is in the list, the rest is not. */
export async function verifyAgain(context: Context, newcomers: readonly Newcomer[]): Promise<void> {
  const { unreached } = context
  const some = newcomers.filter(({ network, endpoint }) =>
    unreached.has(endpointKey(network.name, endpoint.name)),
  )
  const keys = new Set(some.map((one) => endpointKey(one.network.name, one.endpoint.name)))
  for (const key of unreached.keys()) if (!keys.has(key)) unreached.delete(key)
  for (const one of some) {
    const key = endpointKey(one.network.name, one.endpoint.name)
    const wrong = await verifyHostAccess(context, [one]).catch(() => undefined)
    if (wrong?.size === 0) unreached.delete(key)
  }
}
