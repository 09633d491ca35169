/**
 * What Docker forgot to tell, or told while nobody listened: containers removed and networks
 * deleted while the daemon was down. Docker repeats neither, so it is asked, now and then and never
 * within a request of its own. Nothing is done while Docker does not answer.
 */
import { statfsSync } from 'node:fs'
import type { Ip } from '../../addr/ip.ts'
import type { Endpoint } from '../../engine/types.ts'
import { LanyardError } from '../../errors.ts'
import type { DockerApi } from './api.ts'
import type { IpamDesk } from './ipam-driver.ts'
import { removeNetwork } from './network-driver.ts'
import { ID_LABEL } from './networks.ts'
import { addressOf } from './pools.ts'

/** How long something may look forgotten: a container on its way in looks so, too. */
const GRACE_MS = 30_000
const FIRST_MS = 1_000
const SUSPICIOUS_MS = 5_000
const EVERY_MS = 60_000
/** include/uapi/linux/magic.h */
const NSFS_MAGIC = 0x6e736673

export class DockerSync {
  readonly #desk: IpamDesk
  readonly #api: DockerApi
  readonly #tell: (sentence: string) => void
  /** What looks forgotten, and since when. */
  readonly #suspects = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> = Promise.resolve()
  #closed = false

  constructor(desk: IpamDesk, api: DockerApi, tell: (sentence: string) => void) {
    this.#desk = desk
    this.#api = api
    this.#tell = tell
    this.#later(FIRST_MS)
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#running
  }

  #later(ms: number): void {
    if (this.#closed) return
    this.#timer = setTimeout(() => {
      this.#running = this.#again()
    }, ms).unref()
  }

  async #again(): Promise<void> {
    try {
      await this.look(Date.now())
    } catch (error) {
      const away = error instanceof LanyardError && error.code === 'docker-unreachable'
      if (!away) this.#tell(error instanceof Error ? error.message : String(error))
    }
    this.#later(this.#suspects.size > 0 ? SUSPICIOUS_MS : EVERY_MS)
  }

  /**
   * Looks once.
   *
   * @throws LanyardError `docker-unreachable`, `docker-says`
   */
  async look(nowMs: number): Promise<void> {
    const { engine, networks } = this.#desk
    const ours = (await engine.networks()).filter((one) => ID_LABEL in one.labels)
    if (ours.length === 0) return
    const theirs = new Set((await this.#api.networks()).map((one) => one.Id))
    const seen = new Set<string>()
    const isOld = (key: string): boolean => {
      seen.add(key)
      const since = this.#suspects.get(key) ?? nowMs
      this.#suspects.set(key, since)
      return nowMs - since >= GRACE_MS
    }
    for (const { name, labels } of ours) {
      const id = labels[ID_LABEL] ?? ''
      const endpoints = await engine.endpoints(name)
      if (!theirs.has(id)) {
        if (endpoints.some(isThere) || !isOld(name)) continue
        await removeNetwork(this.#desk, name)
        this.#tell(`network ${name} was removed from Docker while nobody listened: removed`)
        continue
      }
      networks.pin(name, await this.#pinnedOn(id))
      const known = await this.#endpointsOf(id)
      for (const endpoint of endpoints) {
        if (known.has(endpoint.id) || isThere(endpoint) || !isOld(endpoint.id)) continue
        await engine.disconnect(name, endpoint.name)
        networks.removeEndpoint(endpoint.id)
        this.#tell(`endpoint ${endpoint.name} of network ${name} is no container's: released`)
      }
    }
    for (const key of this.#suspects.keys()) if (!seen.has(key)) this.#suspects.delete(key)
  }

  /** What `--ip` and `--ip6` of its containers say: one that is stopped will ask for it again. */
  async #pinnedOn(id: string): Promise<readonly Ip[]> {
    return (await this.#api.placesOn(id)).flatMap(({ IPAMConfig }) =>
      [IPAMConfig?.['IPv4Address'], IPAMConfig?.['IPv6Address']].flatMap((text) =>
        typeof text === 'string' && text !== '' ? [addressOf(text)] : [],
      ),
    )
  }

  async #endpointsOf(id: string): Promise<ReadonlySet<string>> {
    const { Containers = {} } = await this.#api.network(id)
    return new Set(Object.values(Containers).map((one) => one.EndpointID))
  }
}

const isThere = ({ sandbox }: Endpoint): boolean => sandbox !== '' && isNamespace(sandbox)

/** Docker leaves the file of a sandbox that is gone for a minute, with no namespace bound to it. */
function isNamespace(path: string): boolean {
  try {
    return statfsSync(path).type === NSFS_MAGIC
  } catch {
    return false
  }
}
