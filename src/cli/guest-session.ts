/**
 * A command on the host, and what of it runs in a guest: the request goes there, then standard
 * input and signals; what comes back is written where this process writes.
 *
 * A session is a folder. One whose command was killed is hung up by the next command that talks to
 * the guest, as a terminal does.
 */
import { randomBytes } from 'node:crypto'
import {
  existsSync,
  type FSWatcher,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  watch,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { Inbox, type Message, Outbox } from './guest-messages.ts'
import { isRunning, ring, sessionsFolder } from './guest-record.ts'
import type { Ending, GuestRequest } from './guest-request.ts'
import { startOf } from './lab-records.ts'
import type { GuestRecord } from './lab-state.ts'

/** How often it is looked whether the guest is there, and for what was not told. */
const TICK_MS = 100
/** A call not heard by then is rung again, from the first tick on. */
const AGAIN_MS = 1000
/** Waiting longer than this for the guest to take the request is told. */
const PATIENCE_MS = 5000

export interface SessionEvents {
  /** Resolves when it is written, so that a slow reader slows the guest down. */
  onOutput(kind: 'o' | 'r', bytes: Buffer): Promise<void>
  /** Told once, when the guest does not answer. */
  onWait(pid: number): void
}

/** @returns undefined where the guest ended first */
export class GuestSession {
  readonly #guest: GuestRecord
  readonly #id = `${process.pid}-${startOf(process.pid)}-${randomBytes(3).toString('hex')}`
  readonly #folder: string
  readonly #events: SessionEvents
  readonly #inbox: Inbox
  readonly toGuest: Outbox
  #watch: FSWatcher | undefined
  #wake = (): void => undefined

  constructor(guest: GuestRecord, request: GuestRequest, events: SessionEvents) {
    this.#guest = guest
    this.#events = events
    const sessions = sessionsFolder(guest)
    this.#folder = join(sessions, this.#id)
    hangUpLost(guest)
    const aside = join(sessions, `.${this.#id}`)
    mkdirSync(aside)
    writeFileSync(join(aside, 'request'), JSON.stringify(request))
    renameSync(aside, this.#folder)
    this.#inbox = new Inbox(this.#folder, 'out')
    this.toGuest = new Outbox(this.#folder, 'in', () => ring(guest, this.#id))
  }

  /** Talks until the guest says how it ended. @returns undefined where the guest itself ended */
  async end(): Promise<Ending | undefined> {
    ring(this.#guest, this.#id)
    this.#listen()
    try {
      const begun = performance.now()
      let rung = begun
      let told = false
      for (;;) {
        const message = this.#inbox.look()
        if (message !== undefined) {
          const ending = await this.#take(message)
          if (ending !== undefined) return ending
          continue
        }
        const now = performance.now()
        const waits = !this.taken
        if ((waits || this.toGuest.unreadMs() !== undefined) && now - rung > AGAIN_MS) {
          rung = now
          ring(this.#guest, this.#id)
        }
        if (waits && !told && now - begun > PATIENCE_MS) {
          told = true
          this.#events.onWait(this.#guest.pid)
        }
        // Looked at once more: what it said last may have come before it ended.
        if (!isRunning(this.#guest) && this.#inbox.look() === undefined) return undefined
        await this.#news()
      }
    } finally {
      this.#watch?.close()
      this.toGuest.close()
      rmSync(this.#folder, { recursive: true, force: true })
    }
  }

  /** Whether the guest has the request. */
  get taken(): boolean {
    return !existsSync(join(this.#folder, 'request'))
  }

  /** Nobody listens here any more: what runs there is ended. */
  hangUp(): void {
    ring(this.#guest, `-${this.#id}`)
    if (!this.taken) rmSync(this.#folder, { recursive: true, force: true })
  }

  async #take({ kind, bytes }: Message): Promise<Ending | undefined> {
    if (kind === 'x') return JSON.parse(bytes.toString()) as Ending
    if (kind === 'o' || kind === 'r') await this.#events.onOutput(kind, bytes)
    this.#inbox.done()
    return undefined
  }

  /** Something happened in the folder, or a tick passed. */
  #news(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, TICK_MS)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** A file system that tells nothing, or a user with too many watches: then ticks do. */
  #listen(): void {
    try {
      this.#watch = watch(this.#folder, () => this.#wake())
      this.#watch.on('error', () => undefined)
    } catch {
      this.#watch = undefined
    }
  }
}

/** Ends in the guest what commands were doing that were killed here. */
function hangUpLost(guest: GuestRecord): void {
  for (const name of readdirSync(sessionsFolder(guest))) {
    const [pid = '', started] = name.replace(/^\./, '').split('-')
    if (startOf(Number(pid)) === started) continue
    if (name.startsWith('.')) rmSync(join(sessionsFolder(guest), name), { recursive: true })
    else ring(guest, `-${name}`)
  }
}
