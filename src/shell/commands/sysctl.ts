/** `sysctl`, and the same keys as files under /proc/sys. */
import { guarded, applyOne, noSuchNetns, takeView } from '../request.ts'
import { type Command, done, failed, type Output, type Session } from '../session.ts'
import { strerror } from '../../errno.ts'

/** `net/ipv4/conf/eth0.5/rp_filter` or `net.ipv4.conf.eth0/5.rp_filter`: to the second form. */
export function sysctlKey(text: string): string {
  const slash = text.indexOf('/')
  const dot = text.indexOf('.')
  if (slash < 0 || (dot >= 0 && dot < slash)) return text
  const swap = (c: string) => (c === '/' ? '.' : '/')
  return text.replace(/[./]/g, swap)
}

/** The path below /proc/sys of a key. */
function sysctlPath(key: string): string {
  return `/proc/sys/${key.replace(/[./]/g, (c) => (c === '/' ? '.' : '/'))}`
}

interface Flags {
  write: boolean
  quiet: boolean
  valuesOnly: boolean
  ignore: boolean
  all: boolean
}

export const sysctlCommand: Command = (session, words) =>
  guarded(async () => {
    const flags: Flags = {
      write: false,
      quiet: false,
      valuesOnly: false,
      ignore: false,
      all: false,
    }
    const keys: string[] = []
    for (const word of words) {
      if (word.startsWith('--')) return failed(127, notYetText(word))
      if (!word.startsWith('-')) keys.push(word)
      else {
        const wrong = readFlags(word, flags)
        if (wrong !== undefined) return failed(127, notYetText(wrong))
      }
    }
    if (flags.all) return listAll(session, flags)
    if (keys.length === 0) return failed(127, notYetText('usage'))
    const outs: Output[] = []
    for (const key of keys) outs.push(await one(session, key, flags))
    return {
      code: outs.reduce((code, o) => Math.max(code, o.code), 0),
      stdout: outs.map((o) => o.stdout).join(''),
      stderr: outs.map((o) => o.stderr).join(''),
    }
  })

/** Those of this namespace that a lab knows. */
async function listAll(session: Session, flags: Flags): Promise<Output> {
  const view = await takeView(session, session.netns)
  if (view === undefined) return noSuchNetns(session.netns)
  const rows = Object.entries(view.netns.sysctls).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return done(
    rows.map(([key, value]) => (flags.valuesOnly ? `${value}\n` : `${key} = ${value}\n`)).join(''),
  )
}

const notYetText = (word: string) => `lanyard: "${word}" of sysctl is not part of this shell yet\n`

function readFlags(word: string, flags: Flags): string | undefined {
  for (const letter of word.slice(1)) {
    if (letter === 'w') flags.write = true
    else if (letter === 'q') flags.quiet = true
    else if (letter === 'n') flags.valuesOnly = true
    else if (letter === 'e') flags.ignore = true
    else if (letter === 'a') flags.all = true
    else return `-${letter}`
  }
  return undefined
}

async function one(session: Session, text: string, flags: Flags): Promise<Output> {
  const equals = text.indexOf('=')
  if (equals < 0 && flags.write) {
    return failed(1, `sysctl: "${text}" must be of the form name=value\n`)
  }
  const key = sysctlKey((equals < 0 ? text : text.slice(0, equals)).trim())
  const print = (value: string) => done(flags.valuesOnly ? `${value}\n` : `${key} = ${value}\n`)
  if (equals < 0) {
    const value = await readSysctl(session, key)
    return value === undefined ? missing(key, flags) : print(value)
  }
  const value = text.slice(equals + 1).trim()
  const errno = await writeSysctl(session, key, value)
  if (errno === undefined) return flags.quiet ? done() : print(value)
  if (errno === 'ENOENT') return missing(key, flags)
  if (errno === 'EACCES' || errno === 'EPERM') {
    return failed(1, `sysctl: permission denied on key "${key}"\n`)
  }
  return failed(1, `sysctl: setting key "${key}": ${strerror(errno)}\n`)
}

function missing(key: string, flags: Flags): Output {
  if (flags.ignore) return done()
  return failed(1, `sysctl: cannot stat ${sysctlPath(key)}: No such file or directory\n`)
}

/** The value of a key as a snapshot has it. */
export async function readSysctl(session: Session, key: string): Promise<string | undefined> {
  const view = await takeView(session, session.netns)
  return view?.netns.sysctls[key]
}

/** @returns the errno name when it was refused */
export async function writeSysctl(
  session: Session,
  key: string,
  value: string,
): Promise<string | undefined> {
  const outcome = await applyOne(session, { do: 'sysctl.set', netns: session.netns, key, value })
  return outcome.ok ? undefined : outcome.errno
}

/** `echo V > /proc/sys/…`. */
export async function writeProcFile(
  session: Session,
  path: string,
  text: string,
): Promise<Output | undefined> {
  if (!path.startsWith('/proc/sys/')) return undefined
  const key = sysctlKey(path.slice('/proc/sys/'.length))
  const errno = await writeSysctl(session, key, text.trim())
  if (errno === undefined) return done()
  if (errno === 'ENOENT') return failed(2, `sh: 1: cannot create ${path}: Directory nonexistent\n`)
  return failed(1, `sh: 1: echo: I/O error: ${strerror(errno)}\n`)
}

/** `cat /proc/sys/…`; undefined for other paths. */
export async function readProcFile(session: Session, path: string): Promise<Output | undefined> {
  if (!path.startsWith('/proc/sys/')) return undefined
  const view = await takeView(session, session.netns)
  if (view === undefined) return noSuchNetns(session.netns)
  const value = view.netns.sysctls[sysctlKey(path.slice('/proc/sys/'.length))]
  return value === undefined ? undefined : done(`${value}\n`)
}
