/** What `--store` says: an etcd by URL, or a file that names endpoints, user and certificates. */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import * as z from 'zod/mini'
import { LanyardError } from '../errors.ts'
import { endpointOf, type EtcdOptions, parseEtcdUrl, prefixOf } from '../store/etcd-address.ts'

const FILE = z.strictObject({
  endpoints: z.array(z.string()).check(z.minLength(1)),
  prefix: z.optional(z.string()),
  user: z.optional(z.string()),
  password_file: z.optional(z.string()),
  ca: z.optional(z.string()),
  cert: z.optional(z.string()),
  key: z.optional(z.string()),
  server_name: z.optional(z.string()),
  timeout_ms: z.optional(z.int().check(z.minimum(100), z.maximum(60_000))),
})

/**
 * Reads what `--store` names. Files that a store file names are looked for beside it.
 *
 * @throws LanyardError `store-address-invalid`
 */
export function readStoreAddress(text: string): EtcdOptions {
  if (text.includes('://')) return parseEtcdUrl(text)
  const refuse = (why: string): LanyardError =>
    new LanyardError('store-address-invalid', { text, why })
  const file = checked(read(text, refuse), refuse)
  const near = (path: string | undefined): string | undefined =>
    path === undefined ? undefined : read(resolve(dirname(text), path), refuse)
  const { user, server_name: serverName, timeout_ms: timeoutMs } = file
  if ((file.cert === undefined) !== (file.key === undefined))
    throw refuse('"cert" and "key" go together')
  if (file.password_file !== undefined && user === undefined)
    throw refuse('"password_file" without "user"')
  const password = near(file.password_file)?.replace(/\r?\n$/, '')
  const [ca, cert, key] = [near(file.ca), near(file.cert), near(file.key)]
  const secure = ca !== undefined || cert !== undefined
  return {
    endpoints: file.endpoints.map((one) => endpointOf(one, refuse)),
    ...(file.prefix === undefined ? {} : { prefix: prefixOf(file.prefix, refuse) }),
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(secure
      ? {
          tls: {
            ...(ca === undefined ? {} : { ca }),
            ...(cert === undefined ? {} : { cert }),
            ...(key === undefined ? {} : { key }),
            ...(serverName === undefined ? {} : { serverName }),
          },
        }
      : {}),
  }
}

type Refuse = (why: string) => LanyardError

function read(path: string, refuse: Refuse): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw refuse(code === 'ENOENT' ? `there is no file ${path}` : `${path} cannot be read: ${code}`)
  }
}

function checked(text: string, refuse: Refuse): z.infer<typeof FILE> {
  let value: unknown
  try {
    value = parse(text)
  } catch (error) {
    throw refuse(`it is not YAML: ${(error instanceof Error ? error.message : '').split('\n')[0]}`)
  }
  z.config(z.locales.en())
  const result = FILE.safeParse(value)
  if (result.success) return result.data
  const problems = result.error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.join('.')}: ${message}`,
  )
  throw refuse(problems.join('; '))
}
