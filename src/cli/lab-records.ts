/**
 * Which labs are on this kernel: one small file a lab in /run/lanyard/labs, written before anything
 * is made and removed after everything is gone. A killed run leaves its file behind, and with it
 * the names of all it may have made; nothing else is ever removed.
 *
 * /run is emptied at boot, as are the namespaces.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { LanyardError } from '../errors.ts'
import { makeFolder } from './files.ts'

export interface LabRecord {
  readonly lab: string
  readonly pid: number
  /** Start of the process in clock ticks since boot: a pid alone may by now be another's. */
  readonly started: string
  readonly namespaces: readonly string[]
  /** The lab is meant to stay after the process that made it: only `lab down NAME` removes it. */
  readonly kept?: true
}

/** What a killed run had left. */
export interface Removed {
  readonly lab: string
  readonly namespaces: readonly string[]
}

/** Where a namespace is made and removed; the kernel's, or a fake in a test. */
export interface Namespaces {
  has(name: string): boolean
  remove(name: string): void
}

export class LabRecords {
  readonly #folder: string
  readonly #namespaces: Namespaces

  constructor(namespaces: Namespaces, folder = '/run/lanyard/labs') {
    this.#namespaces = namespaces
    this.#folder = folder
  }

  /**
   * Writes a lab down, durably, before it is made. What a killed run of any lab left is removed
   * first.
   *
   * @throws LanyardError `lab-running` when another process runs it, `netns-exists` when a name is
   *   somebody else's
   */
  begin(lab: string, namespaces: readonly string[]): void {
    this.sweep()
    const taken = namespaces.find((name) => this.#namespaces.has(name))
    if (taken !== undefined && !this.#exists(lab)) {
      throw new LanyardError('netns-exists', { netns: taken })
    }
    const record = { lab, pid: process.pid, started: startOf(process.pid) ?? '', namespaces }
    makeFolder(this.#folder, 0o755)
    let file: number
    try {
      file = openSync(this.#file(lab), 'wx', 0o644)
    } catch (error) {
      const other = this.#read(lab)
      if (other === undefined) throw error
      if (other.kept === true) {
        throw new LanyardError('lab-is-up', { lab, fabric: 'on this kernel' }, { cause: error })
      }
      throw new LanyardError('lab-running', { lab, pid: other.pid }, { cause: error })
    }
    try {
      writeSync(file, `${JSON.stringify(record)}\n`)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
  }

  has(lab: string): boolean {
    return this.#exists(lab)
  }

  /** From now on the lab stays when this process ends; in one rename. */
  keep(lab: string): void {
    const record = this.#read(lab)
    const aside = `${this.#file(lab)}.${process.pid}`
    writeFileSync(aside, `${JSON.stringify({ ...record, kept: true })}\n`)
    renameSync(aside, this.#file(lab))
  }

  /** Forgets a lab; keeps it while a namespace of it is still there. */
  end(lab: string): void {
    const left = this.#read(lab)?.namespaces.some((name) => this.#namespaces.has(name)) ?? false
    if (!left) rmSync(this.#file(lab), { force: true })
  }

  /**
   * Removes what killed runs left.
   *
   * @param only one lab; default all
   * @returns the labs found, with the namespaces that were removed
   * @throws LanyardError `lab-running` when `only` is being run, `lab-unknown` when there is none
   */
  sweep(only?: string): Removed[] {
    const labs = this.#labs()
    if (only !== undefined && !labs.includes(only)) {
      throw new LanyardError('lab-unknown', { lab: only, known: labs })
    }
    return labs
      .filter((lab) => only === undefined || lab === only)
      .flatMap((lab) => {
        const record = this.#read(lab)
        // Empty: killed between opening the file and writing it, before anything was made.
        if (record === undefined) {
          rmSync(this.#file(lab), { force: true })
          return []
        }
        if (record.kept === true) {
          if (only === undefined) return []
        } else if (record.started !== '' && startOf(record.pid) === record.started) {
          if (only === undefined) return []
          throw new LanyardError('lab-running', { lab, pid: record.pid })
        }
        const left = record.namespaces.filter((name) => this.#namespaces.has(name))
        for (const name of left) this.#namespaces.remove(name)
        rmSync(this.#file(lab), { force: true })
        return [{ lab, namespaces: left }]
      })
  }

  #labs(): string[] {
    const files = existsSync(this.#folder) ? readdirSync(this.#folder) : []
    return files.filter((f) => f.endsWith('.json')).map((f) => f.slice(0, -'.json'.length))
  }

  #exists(lab: string): boolean {
    return existsSync(this.#file(lab))
  }

  #read(lab: string): LabRecord | undefined {
    try {
      return JSON.parse(readFileSync(this.#file(lab), 'utf8')) as LabRecord
    } catch {
      return undefined
    }
  }

  #file(lab: string): string {
    return join(this.#folder, `${lab}.json`)
  }
}

/** Changes at every boot: what was in namespaces, and every process, is gone. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}

/** When a process started (field 22 of /proc/PID/stat, proc(5)); undefined when it is gone. */
export function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The second field is the program's name in parentheses, whatever it contains.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}
