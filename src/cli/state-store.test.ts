import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { bindState, mustBeOwn } from './state-store.ts'
import { storeBackup, storeCheck } from './store.ts'

const state = mkdtempSync(join(tmpdir(), 'lanyard-state-'))
const place = { state, socket: join(state, 'none.sock') }
afterEach(() => rmSync(state, { recursive: true, force: true }))

test('a state that belongs to an etcd is not looked over, nor saved, as an empty file', async () => {
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
