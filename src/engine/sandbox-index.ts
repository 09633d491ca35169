/**
 * Which endpoints a sandbox has: asked at every connect, and the store knows endpoints by network.
 * Built from the store once, kept by every door that writes an endpoint.
 */
import type { Store } from '../store/store.ts'
import { type HostId, listEndpoints } from './records.ts'

export class SandboxIndex {
  /** Sandbox -> `network/name` of its endpoints. */
  readonly #bySandbox = new Map<string, Map<string, { network: string; name: string }>>()

  async load(store: Store, host: HostId): Promise<void> {
    this.#bySandbox.clear()
    for (const endpoint of await listEndpoints(store, host)) this.add(endpoint)
  }

  add(endpoint: { readonly sandbox: string; readonly network: string; readonly name: string }) {
    const { sandbox, network, name } = endpoint
    const known =
      this.#bySandbox.get(sandbox) ?? new Map<string, { network: string; name: string }>()
    known.set(`${network}/${name}`, { network, name })
    this.#bySandbox.set(sandbox, known)
  }

  remove(endpoint: { readonly sandbox: string; readonly network: string; readonly name: string }) {
    const { sandbox, network, name } = endpoint
    const known = this.#bySandbox.get(sandbox)
    known?.delete(`${network}/${name}`)
    if (known?.size === 0) this.#bySandbox.delete(sandbox)
  }

  /** Sandboxes with endpoints in them. */
  names(): readonly string[] {
    return [...this.#bySandbox.keys()].filter((name) => name !== '')
  }

  has(network: string, name: string): boolean {
    return [...this.#bySandbox.values()].some((known) => known.has(`${network}/${name}`))
  }

  of(sandbox: string): readonly { readonly network: string; readonly name: string }[] {
    return [...(this.#bySandbox.get(sandbox)?.values() ?? [])]
  }
}
