/** `--store`, from text to options; what is not understood is said. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readStoreAddress } from './store-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'lanyard-store-file-'))
afterAll(() => rmSync(folder, { recursive: true }))

function refusal(text: string): string {
  try {
    readStoreAddress(text)
    return 'none'
  } catch (error) {
    return error instanceof Error ? error.message : ''
  }
}

test('a URL names endpoints and a prefix', () => {
  expect(readStoreAddress('etcd://10.0.0.1')).toEqual({ endpoints: ['10.0.0.1:2379'] })
  expect(readStoreAddress('etcd://a:1,[fd00::1]:2,c/lab')).toEqual({
    endpoints: ['a:1', '[fd00::1]:2', 'c:2379'],
    prefix: '/lab/',
  })
})

test.each([
  ['http://10.0.0.1', 'does not start with "etcd://"'],
  ['etcd://', 'it names no host'],
  ['etcd://a:b', '"a:b" is not host:port'],
  ['etcd://a:99999', '99999 is not a port'],
  ['etcd://a/grün', 'not printable ASCII'],
  ['nothing-here.yaml', 'there is no file'],
])('%s: %s', (text, why) => {
  expect(refusal(text)).toContain(why)
})

test('a password in a URL is refused, and not repeated', () => {
  const said = refusal('etcd://root:geheim@10.0.0.1')
  expect(said).toContain('everybody who lists processes')
  expect(said).not.toContain('geheim')
})

test('a file names user, password file and certificates beside it', () => {
  const path = join(folder, 'store.yaml')
  writeFileSync(join(folder, 'secret'), 'geheim\n')
  writeFileSync(join(folder, 'ca.pem'), 'CA')
  writeFileSync(path, 'endpoints: [a, b:2]\nuser: lanyard\npassword_file: secret\nca: ca.pem\n')
  expect(readStoreAddress(path)).toEqual({
    endpoints: ['a:2379', 'b:2'],
    user: 'lanyard',
    password: 'geheim',
    tls: { ca: 'CA' },
  })
  writeFileSync(path, 'endpoints: []\npassword: x\n')
  expect(refusal(path)).toMatch(/endpoints: .*; .*password/i)
  writeFileSync(path, 'endpoints: [a]\ncert: ca.pem\n')
  expect(refusal(path)).toContain('"cert" and "key" go together')
  writeFileSync(path, 'endpoints: [')
  expect(refusal(path)).toContain('it is not YAML')
})
