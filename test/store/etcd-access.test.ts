/**
 * Who may speak to an etcd: TLS with certificates on both sides, users and passwords, and what is
 * said when one of them is wrong, against real servers. The certificates are made here, by openssl.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type EtcdCluster, startEtcd, whyNoEtcd } from '../support/etcd.ts'
import type { EtcdOptions } from '../../src/store/etcd-address.ts'
import { openEtcdStore } from '../../src/store/etcd.ts'

function whyNoOpenssl(): string | undefined {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'there is no openssl on this machine (Debian: openssl)'
  }
}

/** An authority, and certificates it signs: NAME.pem and NAME.key. */
class Authority {
  readonly folder: string
  readonly #name: string

  constructor(folder: string, name: string) {
    this.folder = folder
    this.#name = name
    const subject = `/CN=${name}`
    this.#openssl(
      'req',
      '-x509',
      ...KEY,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
      '-days',
      '2',
      '-subj',
      subject,
    )
  }

  sign(name: string, usage: string): void {
    this.#openssl(
      'req',
      ...KEY,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
      '-subj',
      `/CN=${name}`,
    )
    const extra = `subjectAltName=IP:127.0.0.1\nextendedKeyUsage=${usage}\n`
    writeFileSync(join(this.folder, `${name}.ext`), extra)
    const by = ['-CA', `${this.#name}.pem`, '-CAkey', `${this.#name}.key`, '-CAcreateserial']
    this.#openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      ...by,
      '-out',
      `${name}.pem`,
      '-days',
      '2',
      '-extfile',
      `${name}.ext`,
    )
  }

  path(file: string): string {
    return join(this.folder, file)
  }

  text(file: string): string {
    return readFileSync(this.path(file), 'utf8')
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.folder, stdio: 'ignore' })
  }
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

/** Opens, writes, reads, closes; what it says when it may not. */
async function tryOut(options: EtcdOptions): Promise<string> {
  try {
    const store = await openEtcdStore({ timeoutMs: 20_000, ...options })
    try {
      await store.transact({ when: [], then: [{ put: 'x', value: 'y' }] })
      return (await store.get('x'))?.value ?? 'nothing'
    } finally {
      await store.close()
    }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function etcdctl(etcd: EtcdCluster, args: readonly string[], user?: string): void {
  const who = user === undefined ? [] : ['--user', user]
  const line = ['--endpoints', etcd.endpoints.join(','), ...who, ...args]
  execFileSync('etcdctl', line, { env: { ...process.env, ETCDCTL_API: '3' }, stdio: 'pipe' })
}

const missing = whyNoEtcd() ?? whyNoOpenssl()

describe('TLS with certificates on both sides', () => {
  if (missing !== undefined) {
    test.skip(missing, () => undefined)
    return
  }
  let etcd: EtcdCluster
  let ours: Authority
  let folder: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'lanyard-tls-'))
    ours = new Authority(folder, 'ours')
    ours.sign('server', 'serverAuth,clientAuth')
    ours.sign('host', 'clientAuth')
    const theirs = new Authority(folder, 'theirs')
    theirs.sign('stranger', 'clientAuth')
    theirs.sign('impostor', 'serverAuth,clientAuth')
    const files = ['--cert-file', ours.path('server.pem'), '--key-file', ours.path('server.key')]
    const asks = ['--client-cert-auth', '--trusted-ca-file', ours.path('ours.pem')]
    etcd = await startEtcd({ scheme: 'https', args: [...files, ...asks] })
  }, 120_000)
  afterAll(async () => {
    await etcd.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const name = (): string => `etcd://${etcd.endpoints.join(',')}`
  const pair = (who: string) => ({ cert: ours.text(`${who}.pem`), key: ours.text(`${who}.key`) })

  test('the right certificate is let in', async () => {
    const tls = { ca: ours.text('ours.pem'), ...pair('host') }
    expect(await tryOut({ endpoints: etcd.endpoints, tls })).toBe('y')
  })

  test('a certificate of somebody else, none, and no TLS at all are not', async () => {
    const ca = ours.text('ours.pem')
    const said = await Promise.all([
      tryOut({ endpoints: etcd.endpoints, tls: { ca, ...pair('stranger') } }),
      tryOut({ endpoints: etcd.endpoints, tls: { ca } }),
      tryOut({ endpoints: etcd.endpoints }),
    ])
    for (const text of said) {
      expect(text).toContain(`the store ${name()} does not answer: `)
      expect(text).not.toContain('\n')
    }
    expect(said[0]).toMatch(/: it refuses our certificate \(TLS alert ".*certificate.*"\)$/)
    expect(said[1]).toMatch(/: it refuses our certificate \(TLS alert ".*certificate.*"\)$/)
  })

  test('a member whose certificate is not good is passed over for one whose is', async () => {
    const [cert, key, ca] = ['impostor.pem', 'impostor.key', 'theirs.pem'].map((file) =>
      ours.path(file),
    ) as [string, string, string]
    const args = ['--cert-file', cert, '--key-file', key, '--trusted-ca-file', ca]
    const impostor = await startEtcd({ scheme: 'https', args })
    try {
      const tls = { ca: ours.text('ours.pem'), ...pair('host') }
      const endpoints = [...impostor.endpoints, ...etcd.endpoints]
      expect(await tryOut({ endpoints, tls })).toBe('y')
    } finally {
      await impostor.stop()
    }
  })

  test('a server that our authority did not sign is not spoken to', async () => {
    const tls = { ca: ours.text('theirs.pem'), ...pair('host') }
    expect(await tryOut({ endpoints: etcd.endpoints, tls })).toMatch(
      /does not answer: .*certificate/,
    )
  })

  test("a key that is not the certificate's is refused before anybody is asked", async () => {
    const tls = { ca: ours.text('ours.pem'), ...pair('host'), key: ours.text('server.key') }
    expect(await tryOut({ endpoints: etcd.endpoints, tls })).toMatch(
      /may not be opened: certificate or key cannot be used: .*mismatch/,
    )
  })
})

describe('users and passwords', () => {
  if (missing !== undefined) {
    test.skip(missing, () => undefined)
    return
  }
  let etcd: EtcdCluster
  const root = 'root:secret'
  const lanyard = { user: 'lanyard', password: 'right' }
  beforeAll(async () => {
    etcd = await startEtcd({ args: ['--auth-token-ttl', '2'] })
    etcdctl(etcd, ['user', 'add', root])
    etcdctl(etcd, ['user', 'grant-role', 'root', 'root'])
    etcdctl(etcd, ['user', 'add', 'lanyard:right'])
    etcdctl(etcd, ['role', 'add', 'lanyard'])
    etcdctl(etcd, ['role', 'grant-permission', 'lanyard', 'readwrite', '--prefix', '/lanyard/'])
    etcdctl(etcd, ['user', 'grant-role', 'lanyard', 'lanyard'])
    etcdctl(etcd, ['auth', 'enable'])
  }, 120_000)
  afterAll(() => etcd.stop())

  test('the right one is let in, and keeps to its prefix', async () => {
    const { endpoints } = etcd
    expect(await tryOut({ endpoints, ...lanyard })).toBe('y')
    expect(await tryOut({ endpoints, ...lanyard, prefix: '/other/' })).toBe(
      `the store etcd://${endpoints.join()}/other/ may not be opened: the user may not read and write what is under /other/`,
    )
  })

  test('who may only read is refused what he writes, alone and with others', async () => {
    const { endpoints } = etcd
    etcdctl(etcd, ['user', 'add', 'reader:right'], root)
    etcdctl(etcd, ['role', 'add', 'reader'], root)
    etcdctl(etcd, ['role', 'grant-permission', 'reader', 'read', '--prefix', '/lanyard/'], root)
    etcdctl(etcd, ['user', 'grant-role', 'reader', 'reader'], root)
    const store = await openEtcdStore({ endpoints, user: 'reader', password: 'right' })
    const put = (key: string) => store.transact({ when: [], then: [{ put: key, value: '' }] })
    try {
      await expect(put('alone')).rejects.toThrow('may not read and write')
      const said = await Promise.allSettled(['one', 'two'].map(put))
      expect(said.map((one) => one.status)).toEqual(['rejected', 'rejected'])
    } finally {
      await store.close()
    }
  })

  test('a wrong password, an unknown user and none are told apart from silence', async () => {
    const { endpoints } = etcd
    const store = `the store etcd://${endpoints.join()} may not be opened: `
    const wrong = `${store}user or password is wrong`
    expect(await tryOut({ endpoints, user: 'lanyard', password: 'wrong' })).toBe(wrong)
    expect(await tryOut({ endpoints, user: 'nobody', password: 'right' })).toBe(wrong)
    expect(await tryOut({ endpoints })).toBe(`${store}it wants a user and a password`)
  })

  test('a token that is lost in flight is asked for again, and a user that is gone is said', async () => {
    const { endpoints } = etcd
    const store = await openEtcdStore({ endpoints, ...lanyard, timeoutMs: 20_000 })
    try {
      const told: string[] = []
      const watch = await store.watch(
        'w/',
        await store.revision(),
        (events) => {
          for (const event of events)
            told.push(event.change === 'put' ? event.entry.key : event.key)
        },
        () => told.push('lost'),
      )
      await store.transact({ when: [], then: [{ put: 'w/1', value: '' }] })
      // Its tokens are in the server's memory only.
      for (const member of etcd.members) await member.start()
      await store.transact({ when: [], then: [{ put: 'w/2', value: '' }] })
      await expect.poll(() => told, { timeout: 30_000 }).toEqual(['w/1', 'w/2'])
      watch.close()
      etcdctl(etcd, ['user', 'delete', 'lanyard'], root)
      await expect(store.get('x')).rejects.toThrow('user or password is wrong')
    } finally {
      await store.close()
    }
  })
})
