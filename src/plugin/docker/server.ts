/**
 * The plugin's socket: HTTP POST with JSON, one path a method. Errors are answered in the key
 * Docker reads for each half, so that its user sees one sentence of ours.
 */
import { createServer, type IncomingMessage, type Server } from 'node:http'
import * as z from 'zod/mini'
import { LanyardError } from '../../errors.ts'
import {
  ADDRESS_SPACES,
  IPAM_CAPABILITIES,
  releaseAddress,
  releasePool,
  requestAddress,
  requestPool,
} from './ipam-driver.ts'
import {
  createEndpoint,
  createNetwork,
  deleteEndpoint,
  deleteNetwork,
  GATEWAY_CHECK,
  join,
  leave,
  NETWORK_CAPABILITIES,
  type NetworkDesk,
} from './network-driver.ts'
import { type Method, type Request, REQUESTS } from './protocol.ts'

/** What a request came to, for the log and for measuring. */
export interface Heard {
  readonly method: string
  readonly ms: number
  readonly error: string | undefined
  /** A failure nobody foresaw, with its trace. */
  readonly defect: unknown
}

const CONTENT_TYPE = 'application/vnd.docker.plugins.v1.2+json'
/** A request has some hundred bytes; options of a network may be long. */
const BODY_LIMIT = 256 * 1024

type Handlers = { readonly [M in Method]: (desk: NetworkDesk, request: Request<M>) => unknown }

const nothing = (): unknown => ({})

const HANDLERS: Handlers = {
  'Plugin.Activate': () => ({ Implements: ['NetworkDriver', 'IpamDriver'] }),
  'NetworkDriver.GetCapabilities': () => NETWORK_CAPABILITIES,
  'NetworkDriver.GwAllocCheck': () => GATEWAY_CHECK,
  'NetworkDriver.CreateNetwork': createNetwork,
  'NetworkDriver.DeleteNetwork': deleteNetwork,
  'NetworkDriver.CreateEndpoint': createEndpoint,
  'NetworkDriver.EndpointOperInfo': () => ({ Value: {} }),
  'NetworkDriver.DeleteEndpoint': deleteEndpoint,
  'NetworkDriver.Join': join,
  'NetworkDriver.Leave': leave,
  'NetworkDriver.ProgramExternalConnectivity': nothing,
  'NetworkDriver.RevokeExternalConnectivity': nothing,
  'NetworkDriver.DiscoverNew': nothing,
  'NetworkDriver.DiscoverDelete': nothing,
  'IpamDriver.GetCapabilities': () => IPAM_CAPABILITIES,
  'IpamDriver.GetDefaultAddressSpaces': () => ADDRESS_SPACES,
  'IpamDriver.RequestPool': requestPool,
  'IpamDriver.ReleasePool': releasePool,
  'IpamDriver.RequestAddress': requestAddress,
  'IpamDriver.ReleaseAddress': releaseAddress,
}

const isMethod = (name: string): name is Method => Object.hasOwn(HANDLERS, name)

/** The server, not listening yet. */
export function makeServer(desk: NetworkDesk, heard: (what: Heard) => void): Server {
  const server = createServer((incoming, outgoing) => {
    const started = performance.now()
    const method = (incoming.url ?? '').slice(1)
    const end = (status: number, body: unknown, failure?: unknown): void => {
      outgoing.writeHead(status, { 'content-type': CONTENT_TYPE })
      outgoing.end(`${JSON.stringify(body)}\n`)
      const error = failure === undefined ? undefined : sentenceOf(failure)
      const defect = failure instanceof LanyardError ? undefined : failure
      heard({ method, ms: performance.now() - started, error, defect })
    }
    if (!isMethod(method)) {
      // Docker takes 404 for "this plugin has no such method".
      end(404, { Err: `Lanyard knows no ${method}` })
      return
    }
    bodyOf(incoming)
      .then((text) => handle(desk, method, text))
      .then((answer) => end(200, answer))
      .catch((error: unknown) => {
        const key = method.startsWith('IpamDriver.') ? 'Error' : 'Err'
        end(200, { [key]: sentenceOf(error) }, error)
      })
  })
  // A connection that goes just as Docker writes to it costs the request: Docker asks again, but
  // its body is spent by then.
  server.keepAliveTimeout = 0
  return server
}

async function handle(desk: NetworkDesk, method: Method, text: string): Promise<unknown> {
  const run = HANDLERS[method] as (desk: NetworkDesk, request: unknown) => unknown
  const schema: z.ZodMiniType = REQUESTS[method]
  const checked = schema.safeParse(text === '' ? undefined : parse(text), { error: SENTENCES })
  if (checked.success) return await run(desk, checked.data)
  if (text === '') throw new LanyardError('request-lost', { method })
  const problems = checked.error.issues.map((issue) => ({
    path: issue.path.map(String).join('.'),
    sentence: issue.message,
  }))
  throw new LanyardError('request-invalid', { problems })
}

const SENTENCES = z.locales.en().localeError

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    const problems = [{ path: '', sentence: `the body is not JSON: ${why}` }]
    throw new LanyardError('request-invalid', { problems }, { cause: error })
  }
}

async function bodyOf(incoming: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of incoming as AsyncIterable<Buffer>) {
    size += part.length
    if (size > BODY_LIMIT) throw new LanyardError('request-too-large', { limit: BODY_LIMIT })
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

/** One line for whoever typed `docker`: what is wrong and what mends it. */
export function sentenceOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(sentenceOf).join('; and ')
  if (!(error instanceof LanyardError)) {
    const what = error instanceof Error ? error.message : String(error)
    return `defect in Lanyard: ${what} ("journalctl -u lanyard" has the rest)`
  }
  // Where to read on is the command line's affair.
  const mend = error.code === 'usage' || error.code === 'request-invalid' ? undefined : error.mend
  const all = mend === undefined ? error.message : `${error.message}: ${mend}`
  return all.replaceAll(/\s*\n\s*/g, '; ')
}
