/**
 * A lock on a folder, for processes that take turns: a file made by one of them at a time, with who
 * holds it in it. It needs nothing but the file system, so that a simulated lab lives wherever Node
 * runs; a lock whose holder is gone is taken over.
 */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { startOf } from './lab-records.ts'

const STEP_MS = 5
/** Waiting longer than this is told. */
const PATIENCE_MS = 2000

export interface FolderLock {
  release(): void
}

/**
 * Waits until the lock of a folder is ours.
 *
 * A crash leaves the file; whoever comes next sees that its process is gone. Ctrl-C while waiting
 * leaves nothing.
 *
 * @param onWait told once, when it takes long, who holds it
 * @throws the file system's own error where the folder is gone
 */
export async function lockFolder(
  folder: string,
  onWait: (pid: number) => void,
): Promise<FolderLock> {
  const file = join(folder, 'lock')
  const mine = `${process.pid} ${startOf(process.pid) ?? ''}`
  const begun = Date.now()
  let told = false
  while (!tryLock(file, mine)) {
    const holder = read(file)
    const pid = Number(holder?.split(' ')[0])
    if (holder !== undefined && !isAlive(holder)) takeAway(file, holder)
    else if (!told && Date.now() - begun > PATIENCE_MS) {
      told = true
      onWait(pid)
    }
    await pause(STEP_MS)
  }
  return { release: () => rmSync(file, { force: true }) }
}

/** The content is there with the name: made aside, then linked, which fails where there is one. */
function tryLock(file: string, mine: string): boolean {
  const aside = `${file}.${process.pid}`
  writeFileSync(aside, mine)
  try {
    linkSync(aside, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(aside, { force: true })
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

function isAlive(holder: string): boolean {
  const [pid = '', started = ''] = holder.split(' ')
  if (pid === '') return false
  if (started !== '') return startOf(Number(pid)) === started
  try {
    process.kill(Number(pid), 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Removes the lock of a process that is gone; somebody else's who was quicker is put back. */
function takeAway(file: string, holder: string): void {
  const aside = `${file}.${process.pid}.gone`
  try {
    renameSync(file, aside)
    if (read(aside) !== holder) linkSync(aside, file)
  } catch {
    // Gone, or back already.
  } finally {
    rmSync(aside, { force: true })
  }
}
