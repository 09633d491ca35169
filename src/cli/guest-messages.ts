/**
 * How a command on the host and the guest it talks to pass messages: a file each, in the folder of
 * their session, numbered in the order they were sent. A file appears whole, by a rename, and goes
 * when it was read; so many may lie there unread at a time, which is what slows a fast sender down.
 *
 * A folder works wherever User Mode Linux does: its root is the host's own file system, but no
 * socket or pipe of the host's is one to the guest.
 */
import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/**
 * From the host: `d` standard input, `e` its end, `s` a signal by name, `w` a window size, `p`
 * that nobody reads standard output any more. From the guest: `o` standard output, `r` standard
 * error, `x` how it ended ({@link Ending}).
 */
type Kind = 'd' | 'e' | 's' | 'w' | 'p' | 'o' | 'r' | 'x'

export interface Message {
  readonly kind: Kind
  readonly bytes: Buffer
}

type Side = 'in' | 'out'

/** Largest part of a stream in one message. */
const PART_BYTES = 65_536
const UNREAD_MAX = 32
const STEP_MS = 5

const fileOf = (folder: string, side: Side, number: number): string =>
  join(folder, `${side}.${number}`)

/** Sends, one after the other, however many send at once. */
export class Outbox {
  readonly #folder: string
  readonly #side: Side
  readonly #sent: () => void
  #count = 0
  #before: Promise<void> = Promise.resolve()
  #closed = false

  /** @param sent called after each message */
  constructor(folder: string, side: Side, sent: () => void = () => undefined) {
    this.#folder = folder
    this.#side = side
    this.#sent = sent
  }

  /** Resolves when it is there to be read, and there is room for the next. */
  send(kind: Kind, payload: Uint8Array | string = ''): Promise<void> {
    const bytes = Buffer.from(payload)
    const before = this.#before
    this.#before = (async () => {
      await before
      for (let at = 0; at === 0 || at < bytes.length; at += PART_BYTES) {
        await this.#put(kind, bytes.subarray(at, at + PART_BYTES))
      }
    })()
    return this.#before
  }

  /** Nobody reads any more: what is sent from here on is lost. */
  close(): void {
    this.#closed = true
  }

  /** How long what was sent last waits to be read; undefined when all was. */
  unreadMs(): number | undefined {
    try {
      return Date.now() - statSync(fileOf(this.#folder, this.#side, this.#count)).mtimeMs
    } catch {
      return undefined
    }
  }

  #isFull(): boolean {
    const oldest = this.#count + 1 - UNREAD_MAX
    if (this.#closed || oldest <= 0) return false
    return existsSync(fileOf(this.#folder, this.#side, oldest))
  }

  async #put(kind: Kind, bytes: Uint8Array): Promise<void> {
    while (this.#isFull()) await pause(STEP_MS)
    if (this.#closed) return
    const file = fileOf(this.#folder, this.#side, this.#count + 1)
    try {
      writeFileSync(`${file}.new`, Buffer.concat([Buffer.from(kind), bytes]))
      renameSync(`${file}.new`, file)
    } catch (error) {
      // The other side is gone, and its folder with it.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      this.#closed = true
      return
    }
    this.#count++
    this.#sent()
  }
}

/** Receives in order. */
export class Inbox {
  readonly #folder: string
  readonly #side: Side
  #next = 1

  constructor(folder: string, side: Side) {
    this.#folder = folder
    this.#side = side
  }

  /** The next message, if it is there. {@link done} makes room for another. */
  look(): Message | undefined {
    let all: Buffer
    try {
      all = readFileSync(fileOf(this.#folder, this.#side, this.#next))
    } catch {
      return undefined
    }
    return { kind: all.toString('latin1', 0, 1) as Kind, bytes: all.subarray(1) }
  }

  done(): void {
    rmSync(fileOf(this.#folder, this.#side, this.#next++), { force: true })
  }
}
