/** `brctl` of bridge-utils: the old way to the same bridges, with its own sentences. */
import { formatMac } from '../../addr/mac.ts'
import type { LinkSnapshot } from '../../fabric/snapshot.ts'
import type { LinkSet } from '../../fabric/plan.ts'
import { Arguments, matches, ToolExit } from '../arguments.ts'
import { applyOne, guarded, takeView, type View } from '../request.ts'
import { type Command, done, failed, type Output, type Session } from '../session.ts'
import { strerror } from '../../errno.ts'

const USAGE = `Usage: brctl [commands]
commands:
\taddbr     \t<bridge>\t\tadd bridge
\tdelbr     \t<bridge>\t\tdelete bridge
\taddif     \t<bridge> <device>\tadd interface to bridge
\tdelif     \t<bridge> <device>\tdelete interface from bridge
\thairpin   \t<bridge> <port> {on|off}\tturn hairpin on/off
\tsetageing \t<bridge> <time>\t\tset ageing time
\tsetbridgeprio\t<bridge> <prio>\t\tset bridge priority
\tsetfd     \t<bridge> <time>\t\tset bridge forward delay
\tsethello  \t<bridge> <time>\t\tset hello time
\tsetmaxage \t<bridge> <time>\t\tset max message age
\tsetpathcost\t<bridge> <port> <cost>\tset path cost
\tsetportprio\t<bridge> <port> <prio>\tset port priority
\tshow      \t[ <bridge> ]\t\tshow a list of bridges
\tshowmacs  \t<bridge>\t\tshow a list of mac addrs
\tshowstp   \t<bridge>\t\tshow bridge stp info
\tstp       \t<bridge> {on|off}\tturn stp on/off
`

type Verb = (session: Session, view: View, args: Arguments) => Promise<Output> | Output

const VERBS: Readonly<Record<string, Verb | undefined>> = {
  addbr,
  delbr,
  addif,
  delif,
  hairpin,
  show,
  stp: (s, v, a) => setBridge('set stp status', s, v, a, (word) => ({ stp: onOff(word) })),
  setageing: (s, v, a) =>
    setBridge('set ageing time', s, v, a, (word) => ({ ageingTime: Number(word) })),
  setfd: (s, v, a) =>
    setBridge('set forward delay', s, v, a, (word) => ({ forwardDelay: Number(word) })),
}
/** What brctl has and this shell has not, with what is nearest here. */
const KNOWN: Readonly<Record<string, string>> = {
  setbridgeprio: '',
  sethello: '',
  setmaxage: '',
  setpathcost: '',
  setportprio: '',
  showmacs: 'bridge fdb show br BRIDGE',
  showstp: 'ip -d link show BRIDGE',
}

export const brctlCommand: Command = (session, words) =>
  guarded(async () => {
    const args = new Arguments(words)
    const name = args.peek()
    if (name === undefined) return failed(1, USAGE)
    args.next()
    const known = Object.keys(KNOWN).find((k) => matches(name, k) && name.length > 4)
    if (known !== undefined) {
      const nearest = KNOWN[known] === '' ? '' : `; nearest: ${KNOWN[known]}`
      return failed(127, `lanyard: "${name}" of brctl is not part of this shell yet${nearest}\n`)
    }
    const verb = VERBS[name]
    if (verb === undefined) return failed(1, `never heard of command [${name}]\n${USAGE}`)
    const usage = USAGE.split('\n').find((row) => row.startsWith(`\t${name} `)) ?? ''
    const wanted = usage.match(/<|\{/g)?.length ?? 0
    if (name !== 'show' && args.left < wanted) {
      const text = usage.replace(/^\t(\S+) *\t/, 'Usage: brctl $1 ')
      return failed(1, '', `Incorrect number of arguments for command\n${text}\n`)
    }
    const view = await takeView(session, session.netns)
    if (view === undefined) throw new ToolExit(1, `no namespace ${session.netns}\n`)
    return verb(session, view, args)
  })

const find = (view: View, name: string): LinkSnapshot | undefined =>
  view.netns.links.find((l) => l.name === name)

async function addbr(session: Session, _view: View, args: Arguments): Promise<Output> {
  const name = args.next()
  const outcome = await applyOne(session, {
    do: 'link.add',
    netns: session.netns,
    name,
    spec: { kind: 'bridge' },
  })
  if (outcome.ok) return done()
  if (outcome.errno === 'EEXIST') {
    return failed(1, `device ${name} already exists; can't create bridge with the same name\n`)
  }
  return failed(1, `add bridge failed: ${strerror(outcome.errno)}\n`)
}

/** br_ioctl: only a bridge that is down can go (old_dev_ioctl, br_del_bridge). */
async function delbr(session: Session, view: View, args: Arguments): Promise<Output> {
  const name = args.next()
  const link = find(view, name)
  if (link === undefined) return failed(1, `bridge ${name} doesn't exist; can't delete it\n`)
  if (link.kind !== 'bridge')
    return failed(1, `can't delete bridge ${name}: Operation not permitted\n`)
  if (link.up) return failed(1, `bridge ${name} is still up; can't delete it\n`)
  const outcome = await applyOne(session, { do: 'link.del', netns: session.netns, name })
  return outcome.ok
    ? done()
    : failed(1, `can't delete bridge ${name}: ${strerror(outcome.errno)}\n`)
}

async function addif(session: Session, view: View, args: Arguments): Promise<Output> {
  const bridge = args.next()
  while (args.left > 0) {
    const name = args.next()
    const link = find(view, name)
    if (link === undefined) return failed(1, `interface ${name} does not exist!\n`)
    if (find(view, bridge)?.kind !== 'bridge')
      return failed(1, `bridge ${bridge} does not exist!\n`)
    if (link.master !== undefined) {
      const text = `device ${name} is already a member of a bridge; can't add it to bridge ${bridge}.\n`
      return failed(1, text)
    }
    const out = await setMaster(session, name, bridge)
    if (out !== undefined) return failed(1, `can't add ${name} to bridge ${bridge}: ${out}\n`)
  }
  return done()
}

async function delif(session: Session, view: View, args: Arguments): Promise<Output> {
  const bridge = args.next()
  while (args.left > 0) {
    const name = args.next()
    const link = find(view, name)
    if (link === undefined) return failed(1, `interface ${name} does not exist!\n`)
    if (link.master !== bridge) return failed(1, `device ${name} is not a port of ${bridge}\n`)
    const out = await setMaster(session, name, null)
    if (out !== undefined) return failed(1, `can't delete ${name} from ${bridge}: ${out}\n`)
  }
  return done()
}

async function setMaster(
  session: Session,
  name: string,
  master: string | null,
): Promise<string | undefined> {
  const outcome = await applyOne(session, { do: 'link.set', netns: session.netns, name, master })
  return outcome.ok ? undefined : strerror(outcome.errno)
}

function onOff(word: string): boolean {
  if (/^(on|yes|1)$/.test(word)) return true
  if (/^(off|no|0)$/.test(word)) return false
  throw new ToolExit(1, `expect on/off for argument\n`)
}

async function hairpin(session: Session, view: View, args: Arguments): Promise<Output> {
  const bridge = args.next()
  const name = args.next()
  const on = onOff(args.next())
  if (find(view, name) === undefined) return failed(1, `interface ${name} does not exist!\n`)
  if (find(view, name)?.master !== bridge) {
    const text = `can't set ${name} to hairpin on bridge ${bridge}: No such file or directory\n`
    return failed(1, text)
  }
  const op: LinkSet = { do: 'link.set', netns: session.netns, name, port: { hairpin: on } }
  const outcome = await applyOne(session, op)
  if (outcome.ok) return done()
  return failed(1, `can't set ${name} to hairpin on bridge ${bridge}: ${strerror(outcome.errno)}\n`)
}

async function setBridge(
  what: string,
  session: Session,
  view: View,
  args: Arguments,
  read: (word: string) => LinkSet['bridge'],
): Promise<Output> {
  const name = args.next()
  const bridge = read(args.next())
  if (find(view, name)?.kind !== 'bridge') return failed(1, `${what} failed: No such device\n`)
  const outcome = await applyOne(session, { do: 'link.set', netns: session.netns, name, bridge })
  return outcome.ok ? done() : failed(1, `${what} failed: ${strerror(outcome.errno)}\n`)
}

function show(_session: Session, view: View, args: Arguments): Output {
  const wanted = args.rest()
  const missing = wanted.find((n) => find(view, n)?.kind !== 'bridge')
  if (missing !== undefined) return failed(1, `bridge ${missing} does not exist!\n`)
  let text = 'bridge name\tbridge id\t\tSTP enabled\tinterfaces\n'
  const bridges = view.netns.links.filter((l) => l.kind === 'bridge')
  for (const b of bridges.sort((x, y) => (x.name < y.name ? -1 : 1))) {
    if (wanted.length > 0 && !wanted.includes(b.name)) continue
    const ports = view.netns.links.filter((l) => l.master === b.name).map((l) => l.name)
    const mac = ports.length === 0 ? '000000000000' : formatMac(b.address).replaceAll(':', '')
    const stp = b.bridge?.stp === true ? 'yes' : 'no'
    text += `${b.name}\t\t8000.${mac}\t${stp}\t\t${ports.join('\n\t\t\t\t\t\t\t')}\n`
  }
  return done(text)
}
