/**
 * Which kernel in User Mode Linux a lab lives in: a process of the host, and its folder. The folder
 * is beside the labs' and, while the lab is being made, says who makes it.
 */
import { closeSync, constants, existsSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { LanyardError } from '../errors.ts'
import { bootId, startOf } from './lab-records.ts'
import type { GuestRecord, LabInfo, LabState } from './lab-state.ts'

/** In a guest's folder: written when requests are heard. */
export const READY = 'ready'

/** Where the sessions of a guest are, a folder each. */
export function sessionsFolder(guest: { readonly folder: string }): string {
  return join(guest.folder, 'sessions')
}

export function isRunning({ pid, started, boot }: GuestRecord): boolean {
  return boot === bootId() && startOf(pid) === started
}

/** The guest of a lab that is in one. @throws LanyardError `lab-guest-gone` */
export function runningGuest(info: LabInfo): GuestRecord {
  const { guest } = info
  if (guest !== undefined && isRunning(guest) && existsSync(sessionsFolder(guest))) return guest
  throw guestGone(info)
}

/** What is said of a lab whose guest is no more, now that it is asked for. */
export function guestGone(info: LabInfo, state?: LabState): LanyardError {
  const { lab, file, guest } = info
  if (state?.has(lab) === false) {
    return new LanyardError('lab-guest-gone', { lab, file, why: 'it was taken down meanwhile' })
  }
  if (guest !== undefined && guest.boot !== bootId()) {
    const why = 'this machine has booted since, and its kernel in User Mode Linux ended with that'
    return new LanyardError('lab-guest-gone', { lab, file, why })
  }
  const said = guest === undefined ? '' : lastWords(guest.folder)
  const ended = `its kernel in User Mode Linux (process ${guest?.pid}) has ended`
  const why = said === '' ? ended : `${ended}; it last said: ${said}`
  return new LanyardError('lab-guest-gone', { lab, file, why })
}

/** What is printed of how a guest is started and ends, not by its kernel. */
const NO_WORDS = /^(?:Warning: tempdir .*|Aborted.*|Killed.*|)$/

/** Why a guest's kernel gave up, else the last line of its console that says something. */
export function lastWords(folder: string): string {
  let text: string
  try {
    text = readFileSync(join(folder, 'console'), 'utf8')
  } catch {
    return ''
  }
  const lines = text
    .replaceAll('\r', '')
    .split('\n')
    .map((line) => line.trim())
  const panic = lines.find((line) => line.startsWith('Kernel panic'))
  return panic ?? lines.findLast((line) => !NO_WORDS.test(line)) ?? ''
}

/** Calls a guest. What it is to do is in a file already, so a call that is lost is rung again. */
export function ring({ folder }: { readonly folder: string }, word: string): void {
  try {
    const { O_WRONLY, O_NONBLOCK } = constants
    const bell = openSync(join(folder, 'bell'), O_WRONLY | O_NONBLOCK)
    try {
      writeSync(bell, `${word}\n`)
    } finally {
      closeSync(bell)
    }
  } catch {
    // Nobody listens, or it is full: whoever waits sees which.
  }
}
