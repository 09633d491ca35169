/**
 * Labs that live in User Mode Linux: a kernel of their own for each, a process of whoever made it,
 * without root. In there a lab is one on this kernel; commands are passed on to it.
 */
import { type ChildProcess } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type ErrorDetail, LanyardError } from '../errors.ts'
import { howEnded, nodeInUml, umlMissing } from '../kernel/uml-boot.ts'
import { killUmlGuest, processesOf, startUmlGuest } from '../kernel/uml-guest.ts'
import { makeFolder } from './files.ts'
import { isRunning, lastWords, READY, ring, sessionsFolder } from './guest-record.ts'
import type { Ending } from './guest-request.ts'
import { GuestSession } from './guest-session.ts'
import { bootId, startOf } from './lab-records.ts'
import type { GuestRecord, LabInfo, LabState } from './lab-state.ts'
import { onStop, type Stop } from './stop.ts'

/** A guest's folder, beside the labs': `.guest-LAB-XXXXXX`. */
const FOLDER = /^\.guest-(.*)-[^-]{6}$/
/** A busy machine boots a guest in half a minute. */
const BOOT_MS = 300_000
const STEP_MS = 10
/** How long a guest may take to write what it has to and to power itself off. */
const OFF_MS = 5000

/** Who makes it, as long as no lab says that it is its own; in the folder. */
interface Owner {
  readonly pid: number
  readonly started: string
  readonly guest?: GuestRecord
}

/**
 * Boots a kernel, makes a lab in it, and leaves both there. Killed on its way, it leaves a guest
 * that the next `lab up` or `lab down` ends; Ctrl-C leaves nothing.
 *
 * @returns sentences for who asked
 * @throws LanyardError `uml-missing`, `uml-died`, `lab-stopped`, `lab-guest-blind`, `lab-is-up`,
 *   and those of making a lab
 */
export async function umlUp(
  state: LabState,
  info: LabInfo,
  text: string,
): Promise<readonly string[]> {
  const missing = umlMissing()
  if (missing !== undefined) throw new LanyardError('uml-missing', { why: missing })
  makeFolder(state.folder, 0o700)
  await sweepGuests(state)
  const folder = guestFolder(state, info.lab)
  const stop = onStop('stopping User Mode Linux')
  let guest: GuestRecord | undefined
  try {
    guest = await boot(folder, info.lab, stop)
    const notes = await makeIn(guest, info, text, stop)
    state.create({ ...info, guest }, undefined, text)
    return notes
  } catch (error) {
    await kill({ folder, pid: guest?.pid ?? readOwner(folder)?.guest?.pid ?? 0 })
    throw error
  } finally {
    stop.done()
  }
}

/** @throws LanyardError `lab-guest-blind` */
function guestFolder(state: LabState, lab: string): string {
  const real = realpathSync(state.folder)
  if (/^\/(?:dev|proc|run|sys)(?:\/|$)/.test(real)) {
    throw new LanyardError('lab-guest-blind', { lab, folder: real })
  }
  const aside = mkdtempSync(join(real, `.up-${process.pid}-`))
  mkdirSync(sessionsFolder({ folder: aside }))
  const owner: Owner = { pid: process.pid, started: startOf(process.pid) ?? '' }
  writeFileSync(join(aside, 'owner'), JSON.stringify(owner))
  const folder = join(real, `.guest-${lab}-${basename(aside).slice(-6)}`)
  renameSync(aside, folder)
  return folder
}

async function boot(folder: string, lab: string, stop: Stop): Promise<GuestRecord> {
  const program = realpathSync(process.argv[1] ?? '')
  const child = startUmlGuest({
    folder,
    command: [...nodeInUml(), program, '@guest', 'serve', folder],
    env: {
      PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/bin:/sbin:/bin`,
      XDG_STATE_HOME: '/run/lanyard/state',
      // A thread each for terminals that are read.
      UV_THREADPOOL_SIZE: '64',
    },
  })
  const ended = endOf(child)
  const pid = child.pid ?? 0
  const guest = { folder, pid, started: startOf(pid) ?? '', boot: bootId() }
  const owner: Owner = { pid: process.pid, started: startOf(process.pid) ?? '', guest }
  writeFileSync(join(folder, 'owner'), JSON.stringify(owner))
  const deadline = performance.now() + BOOT_MS
  while (!existsSync(join(folder, READY))) {
    const how = await Promise.race([ended, pause(STEP_MS)])
    if (stop.signal.aborted) throw new LanyardError('lab-stopped', { lab })
    const late = performance.now() > deadline
    if (how === undefined && !late) continue
    const said = lastWords(folder)
    const why = how ?? `not up after ${BOOT_MS / 1000} s`
    throw new LanyardError('uml-died', { ended: why, said })
  }
  return guest
}

function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(howEnded(code, signal)))
  })
}

/** The lab itself. */
async function makeIn(
  guest: GuestRecord,
  info: LabInfo,
  text: string,
  stop: Stop,
): Promise<readonly string[]> {
  const session = new GuestSession(
    guest,
    { do: 'up', info, text },
    {
      onOutput: () => Promise.resolve(),
      onWait: () => undefined,
    },
  )
  const stopped = new Promise<'stopped'>((resolve) => {
    if (stop.signal.aborted) resolve('stopped')
    else stop.signal.addEventListener('abort', () => resolve('stopped'))
  })
  const ending = await Promise.race([session.end(), stopped])
  if (ending === 'stopped') throw new LanyardError('lab-stopped', { lab: info.lab })
  if (ending === undefined) {
    throw new LanyardError('uml-died', {
      ended: 'it ended by itself',
      said: lastWords(guest.folder),
    })
  }
  return madeOr(ending)
}

/** An error of the guest is thrown here as if it had happened here. */
function madeOr({ notes, error, defect }: Ending): readonly string[] {
  if (error !== undefined) {
    throw new LanyardError(error.code, error.detail as ErrorDetail<typeof error.code>)
  }
  if (defect !== undefined) throw new Error(defect.split('\n')[0])
  return notes ?? []
}

/**
 * Takes a lab in User Mode Linux away: its kernel writes what it has to and powers off, or is
 * killed.
 *
 * @returns what there is to say
 */
export async function umlDown(state: LabState, info: LabInfo): Promise<string> {
  const { lab, guest } = info
  const ran = guest !== undefined && isRunning(guest)
  if (guest !== undefined) await end(guest)
  state.remove(lab)
  return ran
    ? `removed lab ${lab} and its kernel in User Mode Linux`
    : `removed lab ${lab}: its kernel in User Mode Linux had ended before`
}

async function end(guest: GuestRecord): Promise<void> {
  const deadline = performance.now() + OFF_MS
  ring(guest, 'off')
  while (isRunning(guest) && performance.now() < deadline) await pause(STEP_MS)
  await kill(guest)
}

/** Processes and folder, what there is of them. */
async function kill({ pid, folder }: Pick<GuestRecord, 'pid' | 'folder'>): Promise<void> {
  const deadline = performance.now() + OFF_MS
  do {
    killUmlGuest(pid, folder)
    await pause(STEP_MS)
  } while (processesOf(pid, folder).length > 0 && performance.now() < deadline)
  rmSync(folder, { recursive: true, force: true })
}

/**
 * Ends what killed `lab up`s left.
 *
 * @param only of a lab of this name; default: all
 * @returns the names of their labs
 */
export async function sweepGuests(state: LabState, only?: string): Promise<string[]> {
  if (!existsSync(state.folder)) return []
  const kept = new Set(state.names().flatMap((lab) => folderOf(state, lab)))
  const swept: string[] = []
  for (const name of readdirSync(state.folder)) {
    const lab = FOLDER.exec(name)?.[1]
    const folder = join(realpathSync(state.folder), name)
    if (lab === undefined || kept.has(folder) || (only !== undefined && lab !== only)) continue
    const owner = readOwner(folder)
    if (owner !== undefined && startOf(owner.pid) === owner.started) continue
    await kill({ folder, pid: owner?.guest?.pid ?? 0 })
    swept.push(lab)
  }
  return swept
}

function folderOf(state: LabState, lab: string): string[] {
  try {
    const { guest } = state.info(lab)
    return guest === undefined ? [] : [guest.folder]
  } catch {
    // What cannot be read has a folder that is nobody's.
    return []
  }
}

function readOwner(folder: string): Owner | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, 'owner'), 'utf8')) as Owner
  } catch {
    return undefined
  }
}
