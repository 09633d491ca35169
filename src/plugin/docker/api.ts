/**
 * Docker's own API, as far as it is asked: never within a request of Docker's, which would wait for
 * us while we wait for it.
 */
import { request } from 'node:http'
import { LanyardError } from '../../errors.ts'

/** Where dockerd listens, unless DOCKER_HOST says another unix socket. */
export const DOCKER_API = '/var/run/docker.sock'

/** What `docker network inspect` shows, as far as it is read. */
export interface DockerNetwork {
  readonly Name: string
  readonly Id: string
  readonly Driver: string
  readonly Internal: boolean
  readonly EnableIPv6: boolean
  readonly Attachable: boolean
  readonly Labels: Readonly<Record<string, string>> | null
  readonly Options: Readonly<Record<string, string>> | null
  readonly IPAM: {
    readonly Driver: string
    readonly Config:
      | readonly {
          readonly Subnet: string
          readonly IPRange?: string
          readonly Gateway?: string
          readonly AuxiliaryAddresses?: Readonly<Record<string, string>>
        }[]
      | null
  }
  readonly Containers?: Readonly<
    Record<string, { readonly Name: string; readonly EndpointID: string }>
  >
}

/** A container's place on a network. */
export interface DockerPlace {
  readonly NetworkID: string
  readonly IPAddress: string
  readonly GlobalIPv6Address: string
  readonly MacAddress: string
  readonly Aliases: readonly string[] | null
  readonly Links: readonly string[] | null
  readonly IPAMConfig: Readonly<Record<string, unknown>> | null
}

export interface DockerContainer {
  readonly Id: string
  readonly Name: string
  readonly State: { readonly Running: boolean }
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, DockerPlace>> }
}

export class DockerApi {
  readonly #socket: string

  constructor(socket: string = DOCKER_API) {
    this.#socket = socket
  }

  /** @throws LanyardError `docker-unreachable`, `docker-says` */
  async networks(): Promise<readonly DockerNetwork[]> {
    return (await this.ask('GET', '/networks')) as readonly DockerNetwork[]
  }

  async network(name: string): Promise<DockerNetwork> {
    return (await this.ask('GET', `/networks/${encodeURIComponent(name)}`)) as DockerNetwork
  }

  async container(name: string): Promise<DockerContainer> {
    const path = `/containers/${encodeURIComponent(name)}/json`
    return (await this.ask('GET', path)) as DockerContainer
  }

  /** The place on a network, as it is meant to be, of every container whether or not it runs. */
  async placesOn(network: string): Promise<readonly DockerPlace[]> {
    const found = (await this.#listedOn(network)) as readonly Pick<
      DockerContainer,
      'NetworkSettings'
    >[]
    return found.flatMap(({ NetworkSettings }) =>
      Object.values(NetworkSettings.Networks).filter((one) => one.NetworkID === network),
    )
  }

  /** Every container, whether or not it runs, that is on a network. */
  async containersOn(network: string): Promise<readonly DockerContainer[]> {
    const found = (await this.#listedOn(network)) as readonly Pick<DockerContainer, 'Id'>[]
    return await Promise.all(found.map(({ Id }) => this.container(Id)))
  }

  #listedOn(network: string): Promise<unknown> {
    const filters = encodeURIComponent(JSON.stringify({ network: [network] }))
    return this.ask('GET', `/containers/json?all=1&filters=${filters}`)
  }

  async version(): Promise<string> {
    const { Version } = (await this.ask('GET', '/version')) as { readonly Version: string }
    return Version
  }

  /** @throws LanyardError `docker-unreachable`, `docker-says` */
  ask(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<unknown> {
    const text = body === undefined ? undefined : JSON.stringify(body)
    const headers =
      text === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
    const socketPath = this.#socket
    return new Promise((resolve, reject) => {
      const unreachable = (cause: Error): void => {
        const detail = { socket: socketPath, why: cause.message }
        reject(new LanyardError('docker-unreachable', detail, { cause }))
      }
      const asked = request({ socketPath, method, path, headers }, (response) => {
        let answer = ''
        response.setEncoding('utf8').on('data', (part: string) => (answer += part))
        response.on('error', unreachable)
        response.on('end', () => {
          try {
            resolve(judge(response.statusCode ?? 0, answer))
          } catch (error) {
            reject(error)
          }
        })
      })
      asked.on('error', unreachable)
      asked.end(text)
    })
  }
}

function judge(status: number, answer: string): unknown {
  const value: unknown = answer.trim() === '' ? {} : JSON.parse(answer)
  if (status < 400) return value
  const { message = `status ${status}` } = value as { readonly message?: string }
  throw new LanyardError('docker-says', { said: message, status })
}
