/**
 * The daemon's answers: routes of the table, events, metrics and its own description, each request
 * with an id, checked, measured and logged. It knows nothing of sockets but who is at the other
 * end.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Hono } from 'hono'
import { requestId } from 'hono/request-id'
import { streamSSE } from 'hono/streaming'
import type { Logger } from 'pino'
import * as z from 'zod/mini'
import type { EngineEvent } from '../engine/types.ts'
import { LanyardError } from '../errors.ts'
import { encodeEvent, toJson } from './codec.ts'
import { failureOf } from './failure.ts'
import type { Metrics } from './metrics.ts'
import { openApi } from './openapi.ts'
import { type Desk, ROUTES, type Route } from './routes.ts'

export interface AppOptions extends Desk {
  readonly metrics: Metrics
  readonly log: Logger
  /** Throws unless whoever is at the other end of the socket may speak; gives what to log of it. */
  readonly admit: (socket: Socket) => Readonly<Record<string, unknown>>
  /** Ends event streams when the daemon stops. */
  readonly stopping: AbortSignal
}

interface Env {
  Bindings: { readonly incoming: IncomingMessage }
  Variables: { requestId: string; peer: Readonly<Record<string, unknown>>; route: string }
}

/** A network's description with a thousand excluded addresses is some 60 KiB. */
export const BODY_LIMIT = 256 * 1024

export function makeApp(options: AppOptions): Hono<Env> {
  const { metrics, log, admit } = options
  const app = new Hono<Env>()
  app.use(requestId({ limitLength: 64 }))
  app.use(async (c, next) => {
    const started = performance.now()
    await next()
    const ms = performance.now() - started
    const route = c.get('route') ?? 'none'
    const { method, path } = c.req
    const { status } = c.res
    c.res.headers.set('x-request-id', c.get('requestId'))
    metrics.request(method, route, status, ms / 1000)
    const line = { request: c.get('requestId'), method, path, status, ms: Math.round(ms * 10) / 10 }
    log[method === 'GET' ? 'debug' : 'info']({ ...line, ...c.get('peer') }, 'request')
  })
  app.use(async (c, next) => {
    c.set('peer', admit(c.env.incoming.socket))
    await next()
  })
  for (const route of ROUTES) addRoute(app, route, options)
  addOwn(app, options)
  app.notFound((c) => {
    const { method, path } = c.req
    return failed(c.get('requestId'), new LanyardError('route-missing', { method, path }), log)
  })
  app.onError((error, c) => failed(c.get('requestId'), error, log))
  return app
}

function addRoute(app: Hono<Env>, route: Route, options: AppOptions): void {
  app.on(route.method, route.path.replaceAll(/\{(\w+)\}/g, ':$1'), async (c) => {
    c.set('route', route.path)
    const asked = {
      params: c.req.param() as Record<string, string>,
      query: checkQuery(route, c.req.query()),
      body:
        route.body === undefined
          ? undefined
          : checkBody(route.body, await readBody(c.env.incoming)),
    }
    const answer = await route.run(options, asked)
    if (['status', 'reconcile'].includes(route.id)) {
      options.metrics.drift((answer as readonly unknown[]).length)
    }
    return route.answer === undefined ? c.body(null, 204) : jsonAnswer(answer)
  })
}

/** Events, metrics, and the description. */
function addOwn(app: Hono<Env>, options: AppOptions): void {
  const { engine, metrics, version, stopping } = options
  const document = toJson(openApi(version.version))
  app.get('/openapi.json', (c) => {
    c.set('route', '/openapi.json')
    return c.body(document, 200, { 'content-type': 'application/json' })
  })
  app.get('/metrics', async (c) => {
    c.set('route', '/metrics')
    return c.body(await metrics.text(), 200, { 'content-type': metrics.contentType })
  })
  app.get('/v1/events', (c) => {
    c.set('route', '/v1/events')
    return streamSSE(c, async (stream) => {
      let last = Promise.resolve()
      const watch = engine.onEvent((event: EngineEvent) => {
        const data = toJson(encodeEvent(event))
        last = last.then(() => stream.writeSSE({ event: event.what, data }))
      })
      try {
        // A first line, so that a client knows from when on it misses nothing.
        await stream.write(': listening\n\n')
        await new Promise<void>((resolve) => {
          if (stopping.aborted) resolve()
          stopping.addEventListener('abort', () => resolve(), { once: true })
          stream.onAbort(() => resolve())
        })
      } finally {
        watch.close()
        await last.catch(() => undefined)
      }
    })
  })
}

function jsonAnswer(value: unknown, status = 200): Response {
  return new Response(toJson(value), { status, headers: { 'content-type': 'application/json' } })
}

function failed(request: string, error: unknown, log: Logger): Response {
  const { status, body } = failureOf(error, request)
  if (body.code === 'defect') log.error({ request, err: error }, 'defect')
  else log.info({ request, code: body.code, status }, body.message)
  return jsonAnswer(body, status)
}

function checkQuery(route: Route, query: Record<string, string>): Record<string, string> {
  const known = Object.keys(route.query ?? {})
  const unknown = Object.keys(query).filter((key) => !known.includes(key))
  if (unknown.length === 0) return query
  const may = known.length === 0 ? 'none is known here' : `known are ${known.join(', ')}`
  throw new LanyardError('request-invalid', {
    problems: unknown.map((key) => ({ path: key, sentence: `is no parameter: ${may}` })),
  })
}

/**
 * The whole body, never more than the limit.
 * @throws LanyardError `request-too-large`
 */
async function readBody(incoming: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of incoming as AsyncIterable<Buffer>) {
    size += part.length
    if (size > BODY_LIMIT) throw new LanyardError('request-too-large', { limit: BODY_LIMIT })
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

/** zod/mini has no sentences of its own. */
const SENTENCES = z.locales.en().localeError

/** @throws LanyardError `request-invalid` */
function checkBody(schema: z.ZodMiniType, text: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    const problems = [{ path: '', sentence: `the body is not JSON: ${why}` }]
    throw new LanyardError('request-invalid', { problems }, { cause: error })
  }
  const checked = schema.safeParse(value, { error: SENTENCES })
  if (checked.success) return checked.data
  const problems = checked.error.issues.map((issue) => ({
    path: issue.path.map(String).join('.'),
    sentence: issue.message,
  }))
  throw new LanyardError('request-invalid', { problems })
}
