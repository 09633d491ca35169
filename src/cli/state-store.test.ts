/** Which store a state has, and which states a store has: on a real etcd. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type EtcdCluster, startEtcd, whyNoEtcd } from '../../test/support/etcd.ts'
import { openStateStore } from './state-store.ts'

const missing = whyNoEtcd()
describe.skipIf(missing !== undefined)(`openStateStore() on etcd${missing ?? ''}`, () => {
  let etcd: EtcdCluster
  let where: string
  const folders: string[] = []
  const state = (): string => {
    const folder = mkdtempSync(join(tmpdir(), 'lanyard-state-'))
    folders.push(folder)
    return folder
  }

  beforeAll(async () => {
    etcd = await startEtcd()
    where = `etcd://${etcd.endpoints.join(',')}`
  }, 120_000)
  afterAll(async () => {
    await etcd.stop()
    for (const folder of folders) rmSync(folder, { recursive: true })
  })

  test('serves the host that came first, again and again, and no other', async () => {
    const first = state()
    for (let time = 0; time < 2; time++) await (await openStateStore(first, where)).close()
    const second = openStateStore(state(), where)
    await expect(second).rejects.toMatchObject({ code: 'store-of-other-host' })
    await (await openStateStore(state(), `${where}/two`)).close()
  })

  test('a state goes with its store', async () => {
    const folder = state()
    await (await openStateStore(folder, `${where}/three`)).close()
    await expect(openStateStore(folder, undefined)).rejects.toMatchObject({ code: 'store-differs' })
  })
})
