import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startEtcd, whyNoEtcd } from '../../test/support/etcd.ts'
import { networkKey } from '../engine/records.ts'
import { hostKey } from '../engine/self.ts'
import { bindState, mustBeOwn, openEmbedded, openShared, openStateStore } from './state-store.ts'
import { storeBackup, storeCheck } from './store.ts'

let state: string
beforeEach(() => (state = mkdtempSync(join(tmpdir(), 'lanyard-state-'))))
afterEach(() => rmSync(state, { recursive: true, force: true }))

test('a state that belongs to an etcd is not looked over, nor saved, as an empty file', async () => {
  const place = { state, socket: join(state, 'none.sock') }
  writeFileSync(join(state, 'store-name'), 'etcd://10.9.0.1:2379\n')
  const refused = {
    code: 'store-differs',
    detail: { state, belongs: 'etcd://10.9.0.1:2379', asked: undefined },
  }
  await expect(storeCheck(place)).rejects.toMatchObject(refused)
  await expect(storeBackup(join(state, 'copy'), place)).rejects.toMatchObject(refused)
  bindState(state, '')
  expect(() => mustBeOwn(state)).not.toThrow()
})

const missing = whyNoEtcd()
const skipped = missing === undefined ? '' : ` (skipped: ${missing})`

test.skipIf(missing !== undefined)(
  `a state goes with its etcd wherever that is, not to another installation, nor with a file full of networks${skipped}`,
  async () => {
    const etcd = await startEtcd()
    const where = `etcd://${etcd.endpoints[0]}`
    const open = async (asked: string): Promise<string> => {
      const { store } = await openStateStore(state, asked)
      await store.close()
      return 'opened'
    }
    try {
      const file = await openEmbedded(state)
      await file.transact({ when: [], then: [{ put: 'engine/id', value: '"x"' }] })
      expect(await open(where)).toBe('opened')
      bindState(state, '')
      await file.transact({ when: [], then: [{ put: networkKey('lan'), value: '{}' }] })
      await file.close()
      const full = { code: 'store-differs', detail: { state, belongs: undefined, asked: where } }
      await expect(open(where)).rejects.toMatchObject(full)
      bindState(state, 'etcd://10.9.0.1:2379')
      expect(await open(where)).toBe('opened')
      expect(await open(`${where}/other`)).toBe('opened')
      expect(await open(where)).toBe('opened')
      const { store, self } = await openStateStore(state, where)
      await store.close()
      const entries = { [networkKey('lan')]: '{}' }
      self?.copy?.write(JSON.stringify({ entries, releases: [] }))
      const other = { code: 'store-differs', detail: { belongs: where, asked: `${where}/other/` } }
      await expect(open(`${where}/other`)).rejects.toMatchObject(other)
      // Put there from a backup, it knows the host.
      const there = await openShared(`${where}/other`)
      await there.transact({ when: [], then: [{ put: hostKey(self?.id ?? ''), value: '{}' }] })
      await there.close()
      expect(await open(`${where}/other`)).toBe('opened')
    } finally {
      await etcd.stop()
    }
  },
)
