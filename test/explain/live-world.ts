/**
 * A machine of its own whose `eth0` leads to a switch nobody inside can look into: namespaces of
 * every sort (network, mounts, processes), so that what runs elsewhere is not seen.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PROGRAM, ROOT } from '../support/program.ts'

export interface Told {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export interface LiveWorld {
  /** hairpin of the switch's port */
  readonly hairpin?: 'on' | 'off'
  readonly mode?: string
  /** Lines of a shell run inside, after the machine is made. */
  readonly inside?: string
  /** Lines run where the switch is; `br0` holds the gateway 10.9.0.1. */
  readonly outside?: string
}

/** The gateway and the switch beyond, the machine with two macvlan containers here. */
const WORLD = `set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/netns
ip link set lo up
unshare --net sleep 300 &
out=$!
trap 'kill $out 2>/dev/null; wait $out 2>/dev/null || true' EXIT
n() { nsenter -t $out -n -- "$@"; }
until [ "$(readlink /proc/$out/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.05; done
ip link add eth0 address 02:00:00:00:00:11 type veth peer name p0 netns $out
n ip link add br0 address 02:00:00:00:00:01 type bridge
n ip link set p0 master br0
n ip link set p0 up
n ip link set br0 up
n bridge link set dev p0 hairpin HAIRPIN
n ip addr add 10.9.0.1/24 dev br0
ip addr add 10.9.0.18/24 dev eth0
ip link set eth0 up
ip route add default via 10.9.0.1
for i in 1 2; do
  ip netns add web$i
  ip link add m$i link eth0 address 02:00:00:00:00:a$i type macvlan mode MODE
  ip link set m$i netns web$i name eth0
  ip -n web$i link set lo up
  ip -n web$i link set eth0 up
  ip -n web$i addr add 10.9.0.10$i/24 dev eth0
  ip -n web$i route add default via 10.9.0.1
done
OUTSIDE
export LANYARD_SOCKET=/run/lanyard/lanyard.sock LANYARD_STATE=/run/lanyard-state
unshare --pid --fork --mount-proc sh FOLDER/inside.sh
`

/** Runs the program so often in one such machine; each element its arguments. */
export async function inLiveWorld(
  commands: readonly (readonly string[])[],
  world: LiveWorld = {},
): Promise<Told[]> {
  const folder = mkdtempSync(join(tmpdir(), 'lanyard-world-'))
  try {
    const quoted = (words: readonly string[]): string =>
      words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
    const runs = commands.map(
      (words, i) =>
        `${quoted([process.execPath, PROGRAM, ...words])} >${folder}/${i}.out 2>${folder}/${i}.err </dev/null; echo $? >${folder}/${i}.status`,
    )
    writeFileSync(`${folder}/inside.sh`, [world.inside ?? '', ...runs, ''].join('\n'))
    const script = WORLD.replace('HAIRPIN', world.hairpin ?? 'off')
      .replace('MODE', world.mode ?? 'bridge')
      .replace('OUTSIDE', world.outside ?? '')
      .replaceAll('FOLDER', folder)
    writeFileSync(`${folder}/world.sh`, script)
    const own = ['--net', '--mount', '--propagation', 'private', 'sh', `${folder}/world.sh`]
    const ended = await run('unshare', own)
    return commands.map((_, i) => {
      const read = (what: string): string => {
        try {
          return readFileSync(`${folder}/${i}.${what}`, 'utf8')
        } catch {
          throw new Error(`the machine was not made: ${ended}`)
        }
      }
      return { status: Number(read('status')), stdout: read('out'), stderr: read('err') }
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function run(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(command, args, { cwd: ROOT, timeout: 110_000 }, (error, stdout, stderr) => {
      resolve(`${stdout}${stderr}${error === null ? '' : error.message}`)
    })
  })
}
