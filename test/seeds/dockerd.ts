/** A dockerd at each node of a kernel lab that speaks to one: each host of a seed has its own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, openSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { nodeNetns } from '../../src/cli/lab-enter.ts'

/** Debian's comes with its dockerd and speaks all of its API. */
const CLIENT = '/usr/bin/docker'
/** Images of the seeds: each is busybox. */
const IMAGES = ['busybox', 'alpine']
const PATIENCE_MS = 600_000

/**
 * Its own /run and processes: the one that starts it ends all of it. Dockerd waits 15 s for a
 * containerd that it starts itself, which a guest on a busy machine does not make.
 */
const SCRIPT = `
mount -t tmpfs tmpfs /run
echo nameserver 127.0.0.53 > /run/resolv.conf
mount --bind /run/resolv.conf /etc/resolv.conf
data=$1 socket=/run/containerd/containerd.sock
shift
mkdir -p $data
echo 'version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri"]' > $data/containerd.toml
containerd --config $data/containerd.toml --root $data/containerd --address $socket -l warn &
until [ -S $socket ]; do sleep 0.1; done
groups=/sys/fs/cgroup
[ -e $groups/cgroup.controllers ] || [ -e $groups/cpu ] || mount -t cgroup2 cgroup2 $groups
"$@" --containerd $socket &
while :; do sleep 3600 & wait $!; done
`

/** What is missing for a dockerd here; undefined where nothing is. */
export function dockerMissing(): string | undefined {
  const missing = [CLIENT, 'dockerd', 'containerd', 'busybox'].find(
    (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0,
  )
  return missing === undefined ? undefined : `${missing} is not installed (Debian: docker.io)`
}

/** The daemons of a lab, each started when its node first needs it. */
export class Dockerds {
  readonly #lab: string
  readonly #folder: string
  readonly #path: string
  readonly #tag: string
  readonly #running = new Map<string, ChildProcess>()

  /**
   * @param folder where they keep everything; it is removed by whoever made it
   * @param path where they find programs
   */
  constructor(lab: string, folder: string, path: string) {
    this.#lab = lab
    this.#path = path
    this.#folder = folder
    this.#tag = `lanyard-seeds-${process.pid}`
  }

  /** A line typed at a node speaks to the node's own. */
  async line(node: string, line: string): Promise<string> {
    if (!/^docker\b/.test(line)) return line
    if (!this.#running.has(node)) await this.#start(node)
    return `export DOCKER_HOST=unix://${this.#socket(node)}; ${line.replace(/^docker/, CLIENT)}`
  }

  #socket(node: string): string {
    return join(this.#folder, `${node}.sock`)
  }

  async #start(node: string): Promise<void> {
    const log = join(this.#folder, `${node}.log`)
    const out = openSync(log, 'a')
    const data = join(this.#folder, `${node}.data`)
    const child = spawn(
      'nsenter',
      [
        ...[`--net=${nodeNetns(this.#lab, node)}`, '--', 'unshare', '--mount', '--pid', '--fork'],
        ...['--kill-child', '--mount-proc', '--propagation', 'private', 'sh', '-c', SCRIPT, 'sh'],
        ...[data, 'dockerd', `--host=unix://${this.#socket(node)}`, '--exec-root=/run/docker'],
        ...[`--data-root=${data}/docker`, '--pidfile=/run/docker.pid'],
        ...['--storage-driver=vfs', '--iptables=false', '--ip6tables=false'],
        ...['--userland-proxy=false', `--cgroup-parent=/${this.#tag}`],
      ],
      // Its resolver makes rules in a container's namespace, by the iptables that works here.
      { stdio: ['ignore', out, out], env: { ...process.env, PATH: this.#path } },
    )
    this.#running.set(node, child)
    const docker = (...words: readonly string[]) =>
      spawnSync(CLIENT, ['--host', `unix://${this.#socket(node)}`, ...words], { encoding: 'utf8' })
    for (const end = Date.now() + PATIENCE_MS; docker('version').status !== 0; ) {
      if (child.exitCode !== null || Date.now() > end)
        throw new Error(`dockerd at ${node}: ${readFileSync(log, 'utf8').slice(-2000)}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    const tar = this.#image()
    for (const image of IMAGES) {
      const { status, stderr } = docker('import', '--change', 'CMD ["sh"]', tar, image)
      if (status !== 0) throw new Error(`docker import at ${node}: ${stderr}`)
    }
  }

  #image(): string {
    const root = join(this.#folder, 'image')
    const tar = `${root}.tar`
    if (spawnSync('test', ['-e', tar]).status === 0) return tar
    mkdirSync(join(root, 'bin'), { recursive: true })
    cpSync('/bin/busybox', join(root, 'bin/busybox'))
    const { stdout } = spawnSync('busybox', ['--list'], { encoding: 'utf8' })
    const applets = stdout.split('\n').filter((name) => name !== '' && name !== 'busybox')
    for (const applet of applets) symlinkSync('busybox', join(root, 'bin', applet))
    spawnSync('tar', ['-C', root, '-cf', tar, '.'])
    return tar
  }

  async close(): Promise<void> {
    for (const child of this.#running.values()) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const gone = new Promise((resolve) => child.once('exit', resolve))
      // Its child is the first of its processes: all others go with it.
      child.kill('SIGKILL')
      await gone
    }
    if (this.#running.size === 0) return
    const groups = `find /sys/fs/cgroup -depth -type d -path '*/${this.#tag}*'`
    spawnSync('sh', ['-c', `${groups} -exec rmdir {} + 2>/dev/null`])
  }
}
