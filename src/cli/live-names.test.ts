import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { listContainers, podmanContainers } from './containers.ts'
import { nameNamespaces } from './live-names.ts'

const look = {
  command: (pid: number) => (pid === 70 ? 'nginx' : undefined),
  containerId: (pid: number) => (pid === 80 ? 'f'.repeat(64) : undefined),
}
const at = (netns: string, inode: number, pids: number[], files: string[] = []) => ({
  netns,
  inode,
  pids,
  files,
})
const container = (name: string, pid: number | undefined, file?: string) => ({
  engine: 'docker' as const,
  id: name.repeat(20),
  name,
  pid,
  state: pid === undefined ? 'Exited (0)' : 'running',
  file,
})

test('nameNamespaces() calls them as their engines do', () => {
  const { of, known, owners } = nameNamespaces(
    [
      at('', 1, [1, 99]),
      at('/run/docker/netns/abc', 2, [50], ['/run/docker/netns/abc']),
      at('box1', 3, [], ['/run/netns/box1']),
      at('pid:70', 4, [70]),
      at('pid:80', 5, [80]),
    ],
    { netns: [] },
    [
      container('web', 50, '/run/docker/netns/abc'),
      container('sidecar', undefined, '/run/docker/netns/abc'),
      container('onhost', 99),
      container('old', undefined),
    ],
    look,
  )
  expect([...of.values()]).toEqual(['host', 'web', 'box1', 'nginx:70', 'f'.repeat(12)])
  expect(known.get('sidecar')).toBe('/run/docker/netns/abc')
  expect(known.get('onhost')).toBe('')
  expect(known.get('pid:80')).toBe('pid:80')
  expect(known.has('old')).toBe(false)
  expect(owners.get('/run/docker/netns/abc')?.name).toBe('web')
})

test('listContainers() asks Docker over its socket, and says when it does not answer', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lanyard-docker-'))
  const socket = join(folder, 'docker.sock')
  const id = 'a'.repeat(64)
  const answers: Record<string, unknown> = {
    '/containers/json?all=1': [
      { Id: id, Names: ['/web'], State: 'running', Status: 'Up 2 hours' },
      { Id: 'b'.repeat(64), Names: ['/old'], State: 'exited', Status: 'Exited (0) 3 hours ago' },
    ],
    [`/containers/${id}/json`]: {
      State: { Pid: 4711 },
      NetworkSettings: { SandboxKey: '/var/run/docker/netns/abc' },
    },
  }
  const server = createServer((request, response) => {
    const answer = answers[request.url ?? '']
    response.statusCode = answer === undefined ? 500 : 200
    response.end(JSON.stringify(answer ?? {}))
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  try {
    const { containers, silent } = await listContainers(socket)
    expect(silent).toBeUndefined()
    expect(containers.filter((c) => c.engine === 'docker')).toEqual([
      {
        engine: 'docker',
        id,
        name: 'web',
        pid: 4711,
        state: 'running',
        file: '/run/docker/netns/abc',
      },
      {
        engine: 'docker',
        id: 'b'.repeat(64),
        name: 'old',
        pid: undefined,
        state: 'Exited (0) 3 hours ago',
        file: undefined,
      },
    ])
    delete answers['/containers/json?all=1']
    expect((await listContainers(socket)).silent).toContain('it answers 500')
  } finally {
    server.closeAllConnections()
    server.close()
    rmSync(folder, { recursive: true, force: true })
  }
})

test('podmanContainers() reads what podman wrote down', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lanyard-podman-'))
  try {
    const folders = { store: join(folder, 'store'), run: join(folder, 'run') }
    const here = join(folders.run, 'overlay-containers', 'abc', 'userdata')
    mkdirSync(join(folders.store, 'overlay-containers'), { recursive: true })
    mkdirSync(here, { recursive: true })
    const listed = [{ id: 'abc', names: ['db'] }, { id: 'gone', names: ['old'] }, { id: 7 }]
    const list = join(folders.store, 'overlay-containers', 'containers.json')
    writeFileSync(list, JSON.stringify(listed))
    writeFileSync(join(here, 'pidfile'), String(process.pid))
    const found = podmanContainers(folders).map(({ name, pid }) => [name, pid])
    expect(found).toEqual([
      ['db', process.platform === 'linux' ? process.pid : undefined],
      ['old', undefined],
    ])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
