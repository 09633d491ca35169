/** What of the host networks hang on, and what is done when that changes. */
import { formatIp } from '../addr/ip.ts'
import { hostLinkName } from '../driver/names.ts'
import type { LinkSnapshot } from '../fabric/snapshot.ts'
import { publicEndpoint } from './connect.ts'
import type { Context } from './context.ts'
import { getNetwork } from './network.ts'
import { joinedNetworks, listEndpoints } from './records.ts'

export class ParentWatch {
  readonly #context: Context
  readonly #reconcile: () => Promise<void>
  /** What the host looked like. */
  #parents = new Map<string, string>()

  constructor(context: Context, reconcile: () => Promise<void>) {
    this.#context = context
    this.#reconcile = reconcile
  }

  async remember(): Promise<void> {
    this.#parents = await this.#states()
  }

  /** Something of the host changed: if networks hang on it, everything is looked at again. */
  async look(): Promise<void> {
    const before = this.#parents
    const now = await this.#states()
    if ([...now].every(([key, state]) => before.get(key) === state) && now.size === before.size)
      return
    for (const [network, state] of now) this.#tell(network, before.get(network), state)
    await this.#reconcile()
    const back = [...now].filter(([name, state]) => isUp(state) && !isUp(before.get(name) ?? ''))
    for (const [name] of back) await this.#introduceAll(name)
  }

  #tell(network: string, before: string | undefined, now: string): void {
    // Indexes and addresses are for comparing.
    const detail = now.replace(/ \(\d+\)|;.*/g, '')
    const at = { network, endpoint: undefined, detail }
    if (before !== undefined && isUp(before) && !isUp(now))
      this.#context.emit({ what: 'parent-lost', ...at })
    if (before !== undefined && !isUp(before) && isUp(now))
      this.#context.emit({ what: 'parent-back', ...at })
  }

  /** Neighbours and switches forgot, or never knew, while the parent was away. */
  async #introduceAll(name: string): Promise<void> {
    const { store, self, introductions } = this.#context
    const network = await getNetwork(this.#context, name)
    for (const endpoint of await listEndpoints(store, self?.id, name))
      if (endpoint.phase !== 'leaving') introductions.add(network, publicEndpoint(endpoint))
  }

  /** Network -> what of the host it hangs on. */
  async #states(): Promise<Map<string, string>> {
    const { view, store, self } = this.#context
    const { links, addresses } = await view.snapshot()
    const states = new Map<string, string>()
    for (const { name, parentLink, phase } of await joinedNetworks(store, self?.id)) {
      if (phase !== 'ready') continue
      const parent = links.find((link) => link.name === parentLink)
      const child = links.find((link) => link.name === hostLinkName(parentLink))
      const own = addresses.filter((a) => a.link === parentLink && a.scope === 'global')
      const text = own.map((a) => formatIp(a.address.address)).join(' ')
      states.set(name, `${parentState(parentLink, parent)}; ${child?.index ?? '-'}; ${text}`)
    }
    return states
  }
}

function parentState(name: string, parent: LinkSnapshot | undefined): string {
  if (parent === undefined) return `${name} is missing`
  if (!parent.up) return `${name} is down (${parent.index})`
  return parent.carrier ? `${name} is up (${parent.index})` : `${name} has no carrier`
}

function isUp(state: string): boolean {
  return state.includes(' is up (')
}
