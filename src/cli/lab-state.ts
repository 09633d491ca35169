/**
 * Where labs that live are kept: a folder each, with what it was made of (info.json, base.json, the
 * text of its file) and the journal of what was typed since. Simulated labs are their owner's, in
 * the state folder of the user.
 *
 * A lab appears and disappears by one rename; a killed process leaves a folder whose name begins
 * with a dot, which the next `up` or `down` removes.
 */
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { LanyardError } from '../errors.ts'
import { formatRecord, fromJson, type JournalRecord, toJson } from '../lab/journal.ts'
import type { LiveBase, LiveNode } from '../lab/live.ts'
import type { Variables } from '../lab/expression.ts'
import { makeFolder } from './files.ts'
import { type FolderLock, lockFolder } from './lab-lock.ts'

/** The kernel in User Mode Linux that a lab lives in, a process of the host. */
export interface GuestRecord {
  /** Absolute, the same in the guest. */
  readonly folder: string
  readonly pid: number
  /** Start of the process in clock ticks since boot: a pid alone may by now be another's. */
  readonly started: string
  /** The boot of the host it was started in. */
  readonly boot: string
}

/** What is known of a live lab without playing it. */
export interface LabInfo {
  readonly version: 1
  readonly lab: string
  readonly title: string
  readonly fabric: 'sim' | 'kernel' | 'uml'
  /** Absolute path of the file it was made from. */
  readonly file: string
  /** Name in the file, which `--name` may replace. */
  readonly called: string
  readonly variables: Variables
  readonly nodes: readonly LiveNode[]
  readonly made: string
  /** On the kernel: the boot it was made in. */
  readonly boot?: string
  /** In User Mode Linux: the kernel it lives in. */
  readonly guest?: GuestRecord
}

export class LabState {
  readonly folder: string

  constructor(folder = defaultFolder()) {
    this.folder = folder
  }

  /** Names of the labs that are up. */
  names(): string[] {
    if (!existsSync(this.folder)) return []
    return readdirSync(this.folder)
      .filter((name) => !name.startsWith('.'))
      .toSorted()
  }

  has(lab: string): boolean {
    return existsSync(join(this.folder, lab, 'info.json'))
  }

  /** Puts a lab there, whole. @throws LanyardError `lab-is-up`, `file-unwritable` */
  create(info: LabInfo, base: LiveBase | undefined, text: string): void {
    makeFolder(this.folder, 0o700)
    const aside = mkdtempSync(join(this.folder, `.up-${process.pid}-`))
    try {
      writeFileSync(join(aside, 'info.json'), `${toJson(info)}\n`)
      if (base !== undefined) writeFileSync(join(aside, 'base.json'), `${toJson(base)}\n`)
      writeFileSync(join(aside, 'lab.yaml'), text)
      writeFileSync(join(aside, 'journal'), '')
      renameSync(aside, join(this.folder, info.lab))
    } catch (error) {
      rmSync(aside, { recursive: true, force: true })
      if (!this.has(info.lab)) throw error
      const { lab, fabric } = info
      throw new LanyardError('lab-is-up', { lab, fabric: fabricText(fabric) }, { cause: error })
    }
    this.#sweep()
  }

  /** Takes a lab away. */
  remove(lab: string): void {
    const aside = mkdtempSync(join(this.folder, `.down-${process.pid}-`))
    renameSync(join(this.folder, lab), join(aside, lab))
    this.#sweep()
  }

  info(lab: string): LabInfo {
    return this.#json(lab, 'info.json') as LabInfo
  }

  base(lab: string): LiveBase {
    return this.#json(lab, 'base.json') as LiveBase
  }

  /** The text of its file as it was then. */
  text(lab: string): string {
    return readFileSync(join(this.folder, lab, 'lab.yaml'), 'utf8')
  }

  journal(lab: string): string {
    return readFileSync(this.journalFile(lab), 'utf8')
  }

  journalFile(lab: string): string {
    return join(this.folder, lab, 'journal')
  }

  historyFile(lab: string): string {
    return join(this.folder, lab, 'history')
  }

  /** @returns bytes written */
  append(lab: string, record: JournalRecord): number {
    const line = Buffer.from(formatRecord(record))
    appendFileSync(this.journalFile(lab), line)
    return line.length
  }

  /** Forgets what comes after so many bytes of the journal. */
  cut(lab: string, bytes: number): void {
    truncateSync(this.journalFile(lab), bytes)
  }

  /** Waits for the lab's turn. @throws LanyardError `lab-not-up` */
  async lock(lab: string): Promise<FolderLock> {
    try {
      return await lockFolder(join(this.folder, lab), (pid) => {
        process.stderr.write(`lanyard: waiting for process ${pid}, which uses lab ${lab}\n`)
      })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      throw new LanyardError('lab-not-up', { lab, known: this.names() }, { cause: error })
    }
  }

  #json(lab: string, name: string): unknown {
    const file = join(this.folder, lab, name)
    try {
      return fromJson(readFileSync(file, 'utf8'))
    } catch (error) {
      if (!existsSync(join(this.folder, lab))) {
        throw new LanyardError('lab-not-up', { lab, known: this.names() }, { cause: error })
      }
      const why = error instanceof Error ? error.message : String(error)
      throw new LanyardError('lab-state-broken', { lab, file, why }, { cause: error })
    }
  }

  /** Folders of processes that were killed on their way, and our own. */
  #sweep(): void {
    for (const name of readdirSync(this.folder)) {
      const pid = Number(/^\.(?:up|down)-(\d+)-/.exec(name)?.[1])
      if (Number.isNaN(pid) || (pid !== process.pid && isRunning(pid))) continue
      rmSync(join(this.folder, name), { recursive: true, force: true })
    }
  }
}

export function fabricText(fabric: LabInfo['fabric']): string {
  return { sim: 'simulated', kernel: 'on this kernel', uml: 'in User Mode Linux' }[fabric]
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** XDG base directories: state that outlives a program and is no configuration. */
function defaultFolder(): string {
  const base = process.env['XDG_STATE_HOME']
  const state = base === undefined || base === '' ? join(homedir(), '.local', 'state') : base
  return join(state, 'lanyard', 'labs')
}
