/** The OpenAPI 3.1 document of the daemon, made from the route table and the schemas. */
import * as z from 'zod/mini'
import { describeCode } from '../errors.ts'
import { ROUTES, type Route } from './routes.ts'
import { EventJson, FailureJson, NAMED } from './schema.ts'

type Json = Record<string, unknown>

const pointer = (id: string): string => `#/components/schemas/${id}`

/** A schema as JSON Schema; those with a name become a reference to it. */
function schemaOf(schema: z.ZodMiniType): Json {
  const id = NAMED.get(schema)?.id
  if (id !== undefined) return { $ref: pointer(id) }
  if (schema instanceof z.ZodMiniArray) {
    return { type: 'array', items: schemaOf(schema.def.element as z.ZodMiniType) }
  }
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io: 'input' }) as Json
  return json
}

const json = (schema: z.ZodMiniType): Json => ({
  content: { 'application/json': { schema: schemaOf(schema) } },
})

function operation(route: Route): Json {
  const { id, says, query = {}, body, answer, refuses } = route
  const failures = new Map<string, string[]>()
  for (const code of refuses) {
    const status = String(describeCode(code).status)
    failures.set(status, [...(failures.get(status) ?? []), `\`${code}\``])
  }
  const parameters = [
    ...[...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string' },
    })),
    ...Object.entries(query).map(([name, description]) => ({
      name,
      in: 'query',
      description,
      schema: { type: 'string' },
    })),
  ]
  return {
    operationId: id,
    summary: says,
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { required: true, ...json(body) } }),
    responses: {
      ...(answer
        ? { 200: { description: 'done', ...json(answer) } }
        : { 204: { description: 'done' } }),
      ...Object.fromEntries(
        [...failures].map(([status, codes]) => [
          status,
          { description: codes.join(', '), ...json(FailureJson) },
        ]),
      ),
      default: { description: 'refused; see `code`', ...json(FailureJson) },
    },
  }
}

/**
 * The document served at `/openapi.json`.
 *
 * @param version of the program
 */
export function openApi(version: string): Json {
  const paths: Record<string, Json> = {}
  for (const route of ROUTES) {
    paths[route.path] = { ...paths[route.path], [route.method]: operation(route) }
  }
  const plain = (summary: string, type: string, schema: Json): Json => ({
    get: { summary, responses: { 200: { description: 'done', content: { [type]: { schema } } } } },
  })
  const event = { ...schemaOf(EventJson), description: 'each event is one of these, as JSON' }
  paths['/v1/events'] = plain('What happens, as it happens', 'text/event-stream', event)
  paths['/metrics'] = plain('For Prometheus', 'text/plain', { type: 'string' })
  paths['/openapi.json'] = plain('This document', 'application/json', { type: 'object' })
  const { schemas } = z.toJSONSchema(NAMED, { uri: pointer, io: 'input' })
  return {
    openapi: '3.1.0',
    info: {
      title: 'Lanyard',
      version,
      description:
        'The daemon listens on a unix socket and serves root and members of the group `lanyard`.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [
      { url: 'http://localhost', description: 'curl --unix-socket /run/lanyard/lanyard.sock' },
    ],
    paths,
    components: { schemas: bare(schemas) },
  }
}

/** Without what only stand-alone schemas need. */
function bare(schemas: Record<string, Json>): Record<string, Json> {
  return Object.fromEntries(
    Object.entries(schemas).map(([id, { $schema: _s, $id: _i, ...rest }]) => [id, rest]),
  )
}
