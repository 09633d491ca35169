/** Where an etcd is and who we are to it: what `etcd://...` and a configuration file say. */
import { LanyardError } from '../errors.ts'

export interface EtcdOptions {
  /** `host:port`, asked in this order until one answers. */
  readonly endpoints: readonly string[]
  /** All keys start with it; two installations may share an etcd. Default `/lanyard/`. */
  readonly prefix?: string
  readonly user?: string
  readonly password?: string
  /** TLS; with a certificate of our own when the server asks for one. PEM text. */
  readonly tls?: {
    readonly ca?: string
    readonly cert?: string
    readonly key?: string
    /** Name on the server's certificate, when it is not the host of the endpoint. */
    readonly serverName?: string
  }
  /** How long one request to one endpoint may take. Default 2000. */
  readonly timeoutMs?: number
}

export const DEFAULT_PREFIX = '/lanyard/'
const PORT = 2379

/** What errors and status call it: never with a user or a password. */
export const nameOfEtcd = ({ endpoints, prefix = DEFAULT_PREFIX }: EtcdOptions): string =>
  `etcd://${endpoints.join(',')}${prefix === DEFAULT_PREFIX ? '' : prefix}`

/** Whether two stores of such names are one installation, wherever their servers are now. */
export function sameInstallation(one: string, other: string): boolean {
  const [a, b] = [one, other].map((name) => parseEtcdUrl(name).prefix ?? DEFAULT_PREFIX)
  return a === b
}

/**
 * Reads `etcd://host[:port][,host[:port]...][/prefix]`; the port is 2379 when none is given.
 *
 * @throws LanyardError `store-address-invalid`
 * @example
 * ```ts
 * parseEtcdUrl('etcd://10.0.0.1:2379,10.0.0.2:2379')
 * ```
 */
export function parseEtcdUrl(text: string): EtcdOptions {
  const refuse = (why: string): LanyardError =>
    new LanyardError('store-address-invalid', { text: text.replace(/\/\/[^/@]*@/, '//...@'), why })
  const match = /^etcd:\/\/([^/]*)(\/.*)?$/.exec(text)
  if (match === null) throw refuse('it does not start with "etcd://"')
  const [, hosts = '', path = ''] = match
  if (hosts.includes('@'))
    throw refuse('user and password would be seen by everybody who lists processes')
  if (hosts === '') throw refuse('it names no host')
  const endpoints = hosts.split(',').map((host) => endpointOf(host, refuse))
  if (path === '' || path === '/') return { endpoints }
  return { endpoints, prefix: prefixOf(path, refuse) }
}

/** `host`, `host:port` or `[v6]:port`. */
export function endpointOf(host: string, refuse: (why: string) => LanyardError): string {
  const match = /^(\[[0-9a-fA-F:.%]+\]|[a-zA-Z0-9_.-]+)(?::([0-9]+))?$/.exec(host.trim())
  if (match === null) throw refuse(`"${host}" is not host:port`)
  const [, name = '', port = `${PORT}`] = match
  if (Number(port) < 1 || Number(port) > 65535) throw refuse(`${port} is not a port`)
  return `${name}:${port}`
}

/** A prefix ends with a slash, so that /lanyard is not a prefix of /lanyard2. */
export function prefixOf(path: string, refuse: (why: string) => LanyardError): string {
  if (!/^[!-~]+$/.test(path)) throw refuse(`prefix "${path}" is not printable ASCII`)
  return path.endsWith('/') ? path : `${path}/`
}
