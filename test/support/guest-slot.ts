/**
 * How many User Mode Linux guests run at a time on this machine, whichever test files they belong
 * to: each keeps a processor busy while it boots, and more of them than processors would run into
 * each other's time limits.
 *
 * A place is a file with the process id of who holds it; a place whose holder is no more is free.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const FOLDER = join(tmpdir(), 'lanyard-guest-places')
const PLACES = Math.max(2, availableParallelism())

/** Runs what boots a guest (or several that belong together) once there is a place for it. */
export async function withGuestSlot<T>(run: () => Promise<T>): Promise<T> {
  mkdirSync(FOLDER, { recursive: true })
  let place = take()
  while (place === undefined) {
    await sleep(100)
    place = take()
  }
  try {
    return await run()
  } finally {
    rmSync(place, { force: true })
  }
}

function take(): string | undefined {
  for (let number = 0; number < PLACES; number++) {
    const place = join(FOLDER, `${number}`)
    try {
      writeFileSync(place, `${process.pid}`, { flag: 'wx' })
      return place
    } catch {
      removeIfLeft(place)
    }
  }
  return undefined
}

/** Somebody else may be quicker: then the next round finds it taken. */
function removeIfLeft(place: string): void {
  try {
    const holder = Number(readFileSync(place, 'utf8'))
    // Between its making and its first byte a file is empty.
    if (holder > 0 && !isThere(holder)) rmSync(place, { force: true })
  } catch {
    // It went meanwhile.
  }
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
