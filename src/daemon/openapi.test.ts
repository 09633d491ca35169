import { expect, test } from 'vitest'
import { openApi } from './openapi.ts'
import { ROUTES } from './routes.ts'

type Json = Record<string, unknown>

/** Every `$ref` in a document. */
function refs(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, item]) =>
    key === '$ref' ? [String(item)] : refs(item),
  )
}

test('openApi() describes every route, and every reference leads somewhere', () => {
  const document = openApi('1.2.3') as {
    openapi: string
    paths: Record<string, Record<string, Json>>
    components: { schemas: Record<string, Json> }
  }
  expect(document.openapi).toBe('3.1.0')
  for (const { path, method, id } of ROUTES) {
    expect(document.paths[path]?.[method]?.['operationId']).toBe(id)
  }
  expect(new Set(ROUTES.map((r) => r.id)).size).toBe(ROUTES.length)
  const known = Object.keys(document.components.schemas).map((id) => `#/components/schemas/${id}`)
  expect(refs(document).filter((ref) => !known.includes(ref))).toEqual([])
  expect(document.components.schemas['NetworkSpec']).toMatchObject({
    type: 'object',
    required: ['name', 'kind'],
    additionalProperties: false,
    properties: { pools: { items: { $ref: '#/components/schemas/Pool' } } },
  })
})

test('openApi() names the parameters of a path, and what may refuse', () => {
  const { paths } = openApi('1') as { paths: Record<string, Record<string, Json>> }
  const disconnect = paths['/v1/networks/{network}/endpoints/{endpoint}']?.['delete']
  expect(disconnect?.['parameters']).toMatchObject([{ name: 'network' }, { name: 'endpoint' }])
  expect(disconnect?.['responses']).toHaveProperty('204')
  expect(disconnect?.['responses']).toHaveProperty('409.description', '`op-refused`')
})
