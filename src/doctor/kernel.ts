/** Kernel version and modules, with the table of distributions (seeds 000 and 004). */
import { type Check, type Finding, finding } from './check.ts'
import type { Facts, Module, ModuleState } from './facts.ts'

/** First release of each with a kernel that has macvlan. */
export const DISTRIBUTIONS: Readonly<
  Record<string, { readonly name: string; readonly first: string; readonly kernel: string }>
> = {
  ubuntu: { name: 'Ubuntu', first: '13.10', kernel: '3.11' },
  rhel: { name: 'RHEL', first: '7', kernel: '3.10' },
  centos: { name: 'CentOS', first: '7', kernel: '3.10' },
  fedora: { name: 'Fedora', first: '19', kernel: '3.9' },
  debian: { name: 'Debian', first: '8', kernel: '3.16' },
}

/** Linux version a kind works from. */
const SINCE = { macvlan: [3, 9], ipvlan: [4, 2] } as const

export const kernelCheck: Check = {
  id: 'kernel',
  title: 'kernel version and modules',
  run(facts) {
    const { release, modules } = facts.kernel
    const found: Finding[] = []
    for (const kind of ['macvlan', 'ipvlan'] as const) {
      if (!isAtLeast(release, SINCE[kind])) {
        const [major, minor] = SINCE[kind]
        found.push(
          finding(
            kind === 'macvlan' ? 'problem' : 'warning',
            `kernel-old-${kind}`,
            kind,
            `Linux ${release} is too old for ${kind}, which works from ${major}.${minor}`,
            upgradeText(facts),
          ),
        )
      } else found.push(moduleFinding(facts, kind, modules[kind]))
    }
    if (modules['8021q'] === 'absent') {
      found.push(missing(facts, '8021q', 'note', 'no VLAN as a parent (eth0.10)'))
    }
    return found
  },
}

function moduleFinding(facts: Facts, kind: 'macvlan' | 'ipvlan', state: ModuleState): Finding {
  if (state === 'absent') {
    return missing(facts, kind, kind === 'macvlan' ? 'problem' : 'note', `no ${kind} network`)
  }
  if (state === 'unknown') {
    return finding(
      'note',
      `module-unknown-${kind}`,
      kind,
      `whether this kernel has ${kind} cannot be told from its files`,
      `try it: modprobe ${kind} && lsmod | grep ${kind}`,
    )
  }
  const how = state === 'loadable' ? 'a module, loaded when it is first used' : state
  return finding(
    'good',
    `module-${kind}`,
    kind,
    `Linux ${facts.kernel.release} has ${kind} (${how})`,
  )
}

function missing(
  facts: Facts,
  module: Module,
  severity: Finding['severity'],
  means: string,
): Finding {
  return finding(
    severity,
    `module-absent-${module}`,
    module,
    `this kernel has no ${module}: ${means} can be made`,
    `check it: modprobe ${module} && lsmod | grep ${module}`,
    packageText(facts),
  )
}

/** Where a stock kernel keeps what a cloud image leaves away. */
function packageText({ kernel }: Facts): string {
  const id = kernel.distribution?.id
  if (id === 'ubuntu') return `apt install linux-modules-extra-${kernel.release}`
  if (id === 'fedora' || id === 'rhel' || id === 'centos') {
    return `dnf install kernel-modules-${kernel.release}`
  }
  if (id === 'debian') return 'apt install linux-image-amd64 (a "cloud" kernel leaves it away)'
  return 'install the kernel of your distribution that has all modules'
}

function upgradeText({ kernel }: Facts): string {
  const known = DISTRIBUTIONS[kernel.distribution?.id ?? '']
  if (known === undefined) return 'a newer kernel'
  return `${known.name} has it from ${known.first} (Linux ${known.kernel}) on; this is ${kernel.distribution?.name}`
}

function isAtLeast(release: string, [major, minor]: readonly [number, number]): boolean {
  const [a = 0, b = 0] = release.split(/[.-]/).map(Number)
  return a > major || (a === major && b >= minor)
}
