/** `uname`, `hostname`, `lsmod` and `modprobe`: the little a lab knows beside its network. */
import { formatIp } from '../../addr/ip.ts'
import { takeView } from '../request.ts'
import { type Command, done, failed, type Session } from '../session.ts'

const RELEASE = '6.18.0'
const VERSION = '#1 SMP PREEMPT_DYNAMIC'

const nameOf = (session: Session): string => session.machine?.name ?? 'localhost'

export const unameCommand: Command = async (session, words) => {
  const letters = new Set<string>()
  for (const word of words) {
    if (!word.startsWith('-')) {
      const hint = "Try 'uname --help' for more information.\n"
      return failed(1, `uname: extra operand '${word}'\n${hint}`)
    }
    for (const letter of word.slice(1)) {
      if (!'asnrvmpio'.includes(letter)) {
        const hint = "Try 'uname --help' for more information.\n"
        return failed(1, `uname: invalid option -- '${letter}'\n${hint}`)
      }
      letters.add(letter)
    }
  }
  if (letters.size === 0) letters.add('s')
  const all = letters.has('a')
  const parts: readonly (readonly [string, string])[] = [
    ['s', 'Linux'],
    ['n', nameOf(session)],
    ['r', session.machine?.release ?? RELEASE],
    ['v', VERSION],
    ['m', 'x86_64'],
    // -a leaves out what nobody knows: the processor and the platform.
    ...(all
      ? []
      : ([
          ['p', 'unknown'],
          ['i', 'unknown'],
        ] as const)),
    ['o', 'GNU/Linux'],
  ]
  return done(
    `${parts
      .filter(([k]) => all || letters.has(k))
      .map(([, v]) => v)
      .join(' ')}\n`,
  )
}

export const hostnameCommand: Command = async (session, words) => {
  const [word] = words
  if (word === undefined || word === '-s' || word === '-f') return done(`${nameOf(session)}\n`)
  if (word === '-I' || word === '-i') {
    const view = await takeView(session, session.netns)
    const own = view?.netns.addresses.filter((a) => a.scope === 'global') ?? []
    return done(`${own.map((a) => `${formatIp(a.address.address)} `).join('')}\n`)
  }
  return failed(127, `lanyard: "${word}" of hostname is not part of this shell yet\n`)
}

/**
 * Modules of the simulated kernel, all of them loaded from the start; with sizes and users as
 * lsmod told them on Linux 6.1 (User Mode Linux).
 */
const MODULES: readonly (readonly [name: string, size: number, users: string])[] = [
  ['tun', 39662, ''],
  ['vxlan', 66580, ''],
  ['ip6_udp_tunnel', 2402, 'vxlan'],
  ['udp_tunnel', 11991, 'vxlan'],
  ['br_netfilter', 16270, ''],
  ['bridge', 221530, 'br_netfilter'],
  ['veth', 18706, ''],
  ['dummy', 3619, ''],
  ['ipvlan', 22422, ''],
  ['macvtap', 3117, ''],
  ['tap', 16556, 'macvtap'],
  ['macvlan', 18233, 'macvtap'],
  ['8021q', 23566, ''],
  ['garp', 6673, '8021q'],
  ['stp', 1785, 'bridge,garp'],
  ['mrp', 8133, '8021q'],
  ['llc', 4052, 'bridge,stp,garp'],
]

export const lsmodCommand: Command = async (_session, words) => {
  if (words.length > 0) return failed(1, 'Usage: lsmod\n')
  const rows = MODULES.map(([name, size, used]) => {
    const by = used === '' ? '0' : `${used.split(',').length} ${used}`
    return `${name.padEnd(19)} ${String(size).padStart(8)}  ${by}\n`
  })
  return done(`Module                  Size  Used by\n${rows.join('')}`)
}

export const modprobeCommand: Command = async (session, words) => {
  const flags = words.filter((w) => w.startsWith('-'))
  const names = words.filter((w) => !w.startsWith('-'))
  const unknown = flags.find((f) => !/^-[aqv]+$/.test(f))
  if (unknown !== undefined) {
    return failed(127, `lanyard: "${unknown}" of modprobe is not part of this shell yet\n`)
  }
  const all = flags.some((f) => f.includes('a'))
  const quiet = flags.some((f) => f.includes('q'))
  if (names.length === 0) return failed(1, 'modprobe: ERROR: missing parameters. See -h.\n')
  // Without -a what follows the module are its parameters.
  const wanted = all ? names : names.slice(0, 1)
  const missing = wanted.filter((n) => !MODULES.some(([m]) => m === n.replaceAll('-', '_')))
  if (missing.length === 0) return done()
  const where = `/lib/modules/${session.machine?.release ?? RELEASE}`
  const level = all ? 'WARNING' : 'FATAL'
  const lines = missing.map(
    (n) => `modprobe: ${level}: Module ${n} not found in directory ${where}\n`,
  )
  return failed(1, quiet ? '' : lines.join(''))
}
