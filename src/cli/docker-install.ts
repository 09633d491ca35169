/** `lanyard docker install` and `uninstall`: files for systemd and Docker, each marked as ours. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { LanyardError } from '../errors.ts'
import { DockerApi } from '../plugin/docker/api.ts'
import { dockerApi } from './docker-door.ts'
import { DOCKER_SOCKET } from './place.ts'

export interface InstallOptions {
  readonly root: string
  readonly start?: boolean
  readonly json?: boolean
  readonly dockerApi?: string
}

const MARK = '# Installed by "lanyard docker install"; "lanyard docker uninstall" takes it away.\n'

const UNIT = 'etc/systemd/system/lanyard.service'
/** What `status` and `uninstall` look for. */
export const INSTALLED: readonly string[] = [
  UNIT,
  'etc/systemd/system/docker.service.d/lanyard.conf',
  'etc/sysusers.d/lanyard.conf',
  'etc/docker/plugins/lanyard.spec',
]

/** Path -> text. */
function installedFiles(): Readonly<Record<string, string>> {
  return {
    [UNIT]: MARK + service(),
    'etc/systemd/system/docker.service.d/lanyard.conf': `${MARK}[Unit]
# Docker does not repeat what nobody heard: Lanyard listens before it starts, and after it stopped.
Wants=lanyard.service
After=lanyard.service
`,
    'etc/sysusers.d/lanyard.conf': `${MARK}g lanyard -\n`,
    // A spec file has one line and no room for a mark: it is ours when it names our socket.
    'etc/docker/plugins/lanyard.spec': `unix://${DOCKER_SOCKET}\n`,
  }
}

/** The unit that is packed with the program, started by this Node with this program. */
function service(): string {
  const program = realpathSync(process.argv[1] ?? '')
  const unit = readFileSync(join(packageFolder(program), 'packaging/lanyard.service'), 'utf8')
  const start = `ExecStart=${process.execPath} ${program} daemon`
  return unit.replace(/^ExecStart=.*$/m, start).replace(/^Before=.*$/m, BEFORE)
}

/** The folder of the package a file of it lies in. */
export function packageFolder(file: string): string {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder))
    if (existsSync(join(folder, 'packaging/lanyard.service'))) return folder
  throw new LanyardError('file-unreadable', {
    file: 'packaging/lanyard.service',
    why: `no folder above ${file} has it: install the whole package`,
  })
}

const BEFORE = 'Before=docker.service containerd.service podman.service'

/**
 * Puts the files there and starts the service where systemd runs. Repeatable.
 *
 * @throws LanyardError `docker-refused` when a file of the name is somebody else's
 */
export function dockerInstall(options: InstallOptions): void {
  const { root } = options
  const files = installedFiles()
  for (const path of Object.keys(files)) checkOurs(root, path)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  const started = options.start !== false && root === '/' && hasSystemd()
  if (started) {
    systemd('daemon-reload')
    spawnSync('systemd-sysusers', ['lanyard.conf'])
    systemd('enable', '--now', 'lanyard.service')
  }
  tell(options, 'installed', Object.keys(files), [
    started
      ? 'lanyard.service runs, and starts before Docker from now on'
      : 'nothing was started: run "systemctl daemon-reload && systemctl enable --now lanyard"',
    'try it: docker network create -d lanyard --ipam-driver lanyard --subnet 192.168.8.0/24 -o parent=eth0 lan',
  ])
}

const hasSystemd = (): boolean => existsSync('/run/systemd/system')

function systemd(...words: readonly string[]): void {
  const { status, stderr } = spawnSync('systemctl', words, { encoding: 'utf8' })
  if (status === 0) return
  const why = `"systemctl ${words.join(' ')}" failed: ${stderr.trim()}`
  throw new LanyardError('docker-refused', { why })
}

function checkOurs(root: string, path: string): void {
  const there = readIf(join(root, path))
  if (there === undefined || isOurs(path, there)) return
  const why = `/${path} is there and not ours: move it away, then install again`
  throw new LanyardError('docker-refused', { why })
}

/** Whether a file is one that install put there. */
export function isOurs(path: string, text: string): boolean {
  return text.startsWith(MARK) || (path.endsWith('.spec') && text.includes(DOCKER_SOCKET))
}

export function readIf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/**
 * Takes away what install put there; a file that somebody changed into his own stays. Repeatable.
 *
 * @throws LanyardError `docker-refused` while Docker has networks of ours
 */
export async function dockerUninstall(
  options: InstallOptions & { readonly force?: boolean },
): Promise<void> {
  const { root, force = false } = options
  if (!force && root === '/') await checkUnused(new DockerApi(options.dockerApi ?? dockerApi()))
  if (root === '/' && hasSystemd() && existsSync('/etc/systemd/system/lanyard.service'))
    systemd('disable', '--now', 'lanyard.service')
  const gone = INSTALLED.filter((path) => {
    const there = readIf(join(root, path))
    if (there === undefined || !isOurs(path, there)) return false
    rmSync(join(root, path))
    return true
  })
  if (root === '/' && hasSystemd()) systemd('daemon-reload')
  tell(options, 'removed', gone, gone.length === 0 ? ['nothing of ours was there'] : [])
}

async function checkUnused(api: DockerApi): Promise<void> {
  let names: readonly string[]
  try {
    names = (await api.networks()).filter((n) => n.Driver === 'lanyard').map((n) => n.Name)
  } catch (error) {
    // No Docker, no network of its.
    if (error instanceof LanyardError && error.code === 'docker-unreachable') return
    throw error
  }
  if (names.length === 0) return
  const why =
    `Docker has networks of Lanyard: ${names.join(', ')}: "docker network rm ${names.join(' ')}"` +
    ' first, or --force'
  throw new LanyardError('docker-refused', { why })
}

function tell(
  { root, json }: InstallOptions,
  word: string,
  paths: readonly string[],
  more: readonly string[],
): void {
  const all = paths.map((path) => join(root, path))
  process.stdout.write(
    json === true
      ? `${JSON.stringify({ [word]: all }, undefined, 2)}\n`
      : [...all.map((path) => `${word} ${path}\n`), ...more.map((line) => `${line}\n`)].join(''),
  )
}
