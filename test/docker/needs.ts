/** What of the kernel a docker test needs, and whether this one has it. */
import { spawnSync } from 'node:child_process'

export type Need = 'vlan' | 'dummy' | 'ipvlan'

const TRIED: Readonly<Record<Need, string>> = {
  vlan: 'ip link add link p0 name p0.5 type vlan id 5',
  dummy: 'ip link add d0 type dummy',
  ipvlan: 'ip link add link p0 name i0 type ipvlan mode l2',
}

const known = new Map<Need, boolean>()

/** Tried once, in a network namespace that goes at once. */
export function hasKernel(need: Need): boolean {
  let has = known.get(need)
  if (has === undefined) {
    const script = `ip link add p0 type veth peer name p1 && ${TRIED[need]}`
    has = spawnSync('unshare', ['--net', 'sh', '-c', script]).status === 0
    known.set(need, has)
  }
  return has
}
