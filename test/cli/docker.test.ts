/** `lanyard docker` as typed, without a Docker: files it puts there, what it packs, refusals. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { buildProgram, removeProgram, runProgram } from '../support/program.ts'

let folder: string

describe('lanyard docker', () => {
  beforeAll(buildProgram)
  afterAll(removeProgram)
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'lanyard-docker-'))))
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  const read = (path: string): string => readFileSync(join(folder, path), 'utf8')
  const FILES = [
    'etc/systemd/system/lanyard.service',
    'etc/systemd/system/docker.service.d/lanyard.conf',
    'etc/sysusers.d/lanyard.conf',
    'etc/docker/plugins/lanyard.spec',
  ]

  test('install puts a service that is up before Docker; again is the same; uninstall', async () => {
    const first = await runProgram('docker', 'install', '--root', folder)
    expect([first.status, first.stderr]).toEqual([0, ''])
    const texts = FILES.map(read)
    expect(texts[0]).toMatch(/^Before=docker\.service/m)
    expect(texts[0]).toMatch(/^ExecStart=\S*node\S* \S+ daemon$/m)
    expect(texts[1]).toMatch(/^After=lanyard\.service$/m)
    expect(texts[3]).toBe('unix:///run/docker/plugins/lanyard.sock\n')
    expect((await runProgram('docker', 'install', '--root', folder)).status).toBe(0)
    expect(FILES.map(read)).toEqual(texts)
    const gone = await runProgram('docker', 'uninstall', '--root', folder)
    expect([gone.status, gone.stdout.match(/^removed /gm)?.length]).toEqual([0, 4])
    expect(FILES.some((path) => existsSync(join(folder, path)))).toBe(false)
    const again = await runProgram('docker', 'uninstall', '--root', folder)
    expect(again.stdout).toBe('nothing of ours was there\n')
  })

  test("install leaves somebody else's file alone, and says so before it writes any", async () => {
    await runProgram('docker', 'install', '--root', folder)
    const path = join(folder, FILES[0] ?? '')
    writeFileSync(path, '[Unit]\n')
    const { status, stderr } = await runProgram('docker', 'install', '--root', folder)
    expect([status, stderr]).toEqual([
      2,
      'lanyard: /etc/systemd/system/lanyard.service is there and not ours: move it away, then install again\n',
    ])
    await runProgram('docker', 'uninstall', '--root', folder)
    expect(readFileSync(path, 'utf8')).toBe('[Unit]\n')
  })

  test('without a Docker: status says what is missing, adopt one sentence', async () => {
    const none = join(folder, 'none.sock')
    const status = await runProgram('docker', 'status', '--root', folder, '--docker-api', none)
    expect(status.status).toBe(1)
    expect(status.stdout).toContain(`Docker at ${none} does not answer`)
    const adopt = await runProgram('docker', 'adopt', 'lan', '--docker-api', none)
    expect([adopt.status, adopt.stderr.split('\n')[0]]).toEqual([
      2,
      `lanyard: Docker at ${none} does not answer: connect ENOENT ${none}`,
    ])
    const pack = await runProgram('docker', 'pack', folder)
    expect([pack.status, pack.stderr]).toEqual([
      2,
      `lanyard: ${folder} is there already: name one that is not\n`,
    ])
  })
})
