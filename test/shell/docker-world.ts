/** A simulated machine with a Docker on it, on a LAN as the real one's of test/docker/world.ts. */
import { Recorder } from '../../src/lab/recorder.ts'
import { MachineFabric, machineIn } from '../../src/shell/machine.ts'
import { runCommand } from '../../src/shell/run.ts'
import { openSession, type Output } from '../../src/shell/session.ts'
import { openSim } from '../../src/sim/fabric.ts'

const LAN = [
  ...['sw', 'h', 'gw', 'peer'].map((name) => `ip netns add ${name}`),
  'ip -n sw link add br0 type bridge',
  'ip -n sw link set br0 up',
  'ip -n h link add eth0 type veth peer name p0 netns sw',
  'ip -n gw link add eth0 type veth peer name p1 netns sw',
  'ip -n peer link add eth0 type veth peer name p2 netns sw',
  ...['p0', 'p1', 'p2'].map((port) => `ip -n sw link set ${port} master br0 up`),
  'ip -n h address add 192.168.8.110/24 dev eth0',
  'ip -n gw address add 192.168.8.1/24 dev eth0',
  'ip -n peer address add 192.168.8.9/24 dev eth0',
  ...['h', 'gw', 'peer'].map((name) => `ip -n ${name} link set eth0 up`),
]

/** @returns what runs a line on the machine `h` */
export async function openDockerSim(): Promise<(line: string) => Promise<Output>> {
  const world = openSim()
  for (const line of LAN) {
    const { code, stderr } = await runCommand(openSession(world), line)
    if (code !== 0) throw new Error(`${line}: ${stderr}`)
  }
  await world.settle()
  const recorder = new Recorder(world)
  return async (line) => {
    const session = openSession(new MachineFabric(world, 'h'), '', machineIn(world, 'h', recorder))
    const out = await runCommand(session, line)
    await world.settle()
    return out
  }
}
