/**
 * `lanyard docker pack`: this very program as a managed plugin. The root file system holds Node,
 * the libraries it is linked with, and the program with the packages it needs, copied from here.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { LanyardError } from '../errors.ts'
import { packageFolder } from './docker-install.ts'

/** What dockerd asks of a managed plugin (config v0.1). */
const CONFIG = {
  description: 'Lanyard: macvlan and ipvlan networks',
  documentation: 'docs/guides/docker.md',
  entrypoint: ['/node', '/lanyard/bin/lanyard.cjs', 'daemon'],
  workdir: '/',
  interface: {
    types: ['docker.networkdriver/1.0', 'docker.ipamdriver/1.0'],
    socket: 'lanyard.sock',
  },
  network: { type: 'host' },
  ipchost: false,
  pidhost: true,
  linux: {
    capabilities: ['CAP_NET_ADMIN', 'CAP_NET_RAW', 'CAP_SYS_ADMIN', 'CAP_SYS_PTRACE'],
    allowAllDevices: false,
    devices: null,
  },
  mounts: [
    // Sandboxes appear there after the plugin has started.
    {
      name: 'netns',
      description: 'sandboxes of containers',
      source: '/var/run/docker',
      destination: '/var/run/docker',
      type: 'bind',
      options: ['rbind', 'rslave'],
      settable: ['source'],
    },
    {
      name: 'state',
      description: 'networks, endpoints and leases',
      source: '/var/lib/lanyard',
      destination: '/var/lib/lanyard',
      type: 'bind',
      options: ['rbind'],
      settable: ['source'],
    },
    {
      name: 'machine',
      description: 'which of several hosts this is',
      source: '/etc/machine-id',
      destination: '/etc/machine-id',
      type: 'bind',
      options: ['bind', 'ro'],
      settable: ['source'],
    },
  ],
  env: [
    { name: 'PATH', value: '/', description: '', settable: null },
    // Without a value a variable is not there.
    {
      name: 'LANYARD_STORE',
      value: null,
      description: 'an etcd that hosts share: etcd://HOST:2379',
      settable: ['value'],
    },
    {
      name: 'LANYARD_SPARES',
      value: null,
      description: 'addresses a host holds for while its etcd does not answer',
      settable: ['value'],
    },
  ],
  propagatedMount: '',
}

/**
 * Builds the plugin in a folder that is empty or not there.
 *
 * @throws LanyardError `docker-refused`
 */
export function dockerPack(folder: string): void {
  const refuse = (why: string) => new LanyardError('docker-refused', { why })
  if (existsSync(folder)) throw refuse(`${folder} is there already: name one that is not`)
  const root = join(folder, 'rootfs')
  for (const path of ['lanyard', 'tmp', 'run', 'proc', 'sys', 'var/lib/lanyard', 'var/run/docker'])
    mkdirSync(join(root, path), { recursive: true })
  cpSync(process.execPath, join(root, 'node'))
  for (const path of librariesOf(process.execPath)) copyTo(root, path)
  const program = packageFolder(realpathSync(process.argv[1] ?? ''))
  for (const path of ['bin', 'dist', 'package.json', 'schema', 'packaging'])
    if (existsSync(join(program, path)))
      cpSync(join(program, path), join(root, 'lanyard', path), { recursive: true })
  for (const name of packagesOf(program)) {
    const from = join(program, 'node_modules', name)
    const to = join(root, 'lanyard/node_modules', name)
    cpSync(from, to, { recursive: true, dereference: true })
    for (const library of nativeLibrariesOf(to)) copyTo(root, library)
  }
  writeFileSync(join(folder, 'config.json'), `${JSON.stringify(CONFIG, undefined, 2)}\n`)
  process.stdout.write(
    `${folder}: rootfs and config.json\n` +
      `next: sudo docker plugin create lanyard ${folder} && sudo docker plugin enable lanyard\n`,
  )
}

/** Shared libraries and the loader, as `ldd` finds them. */
function librariesOf(program: string): readonly string[] {
  const text = execFileSync('ldd', [program], { encoding: 'utf8' })
  return [...text.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path)
}

function nativeLibrariesOf(folder: string): readonly string[] {
  const found = execFileSync('find', [folder, '-name', '*.node', '-path', '*linux*'], {
    encoding: 'utf8',
  })
  const all = found.split('\n').filter((path) => path !== '')
  // Those of another processor, or of another libc, have nothing to find here.
  return all.flatMap((path) => {
    try {
      return librariesOf(path)
    } catch {
      return []
    }
  })
}

/** Under the name it is called by: the loader looks for exactly that. */
function copyTo(root: string, path: string): void {
  const to = join(root, path)
  if (existsSync(to)) return
  mkdirSync(dirname(to), { recursive: true })
  cpSync(realpathSync(path), to)
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** The packages the program needs to run, and those they need, as far as they are installed. */
function packagesOf(program: string): readonly string[] {
  const found = new Set<string>()
  const read = (folder: string): Manifest =>
    JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
  const walk = ({ dependencies = {}, optionalDependencies = {} }: Manifest): void => {
    for (const name of [...Object.keys(dependencies), ...Object.keys(optionalDependencies)]) {
      const folder = join(program, 'node_modules', name)
      if (found.has(name) || !existsSync(join(folder, 'package.json'))) continue
      found.add(name)
      walk(read(folder))
    }
  }
  walk(read(program))
  return [...found]
}
