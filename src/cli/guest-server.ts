/**
 * In a guest of User Mode Linux: the process that makes a lab there, and runs in it what commands
 * on the host ask for. A lab here is one on this kernel, by the same code as on any other.
 *
 * The guest ends when this process does. It powers it off when told to, and when its folder on the
 * host is gone: then nobody can ask for anything any more.
 */
import { spawnSync } from 'node:child_process'
import { constants, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ReadStream } from 'node:tty'
import { LanyardError } from '../errors.ts'
import { POWER_FILE } from '../kernel/uml-boot.ts'
import { BELL_LINE } from '../kernel/uml-guest.ts'
import type { LiveBase } from '../lab/live.ts'
import { Inbox, Outbox } from './guest-messages.ts'
import { READY, sessionsFolder } from './guest-record.ts'
import type { Ending, GuestRequest, UpRequest } from './guest-request.ts'
import { type Running, runAtNode, runLanyard, warmUp } from './guest-programs.ts'
import { kernelUp } from './lab-kernel.ts'
import { topologyFrom } from './lab-measure.ts'
import { type LabInfo, LabState } from './lab-state.ts'

const LOOK_MS = 10_000

/** Hears requests until the guest is powered off. */
export function serveGuest(folder: string): void {
  const server = new Server(folder)
  const line = openSync(BELL_LINE, constants.O_RDWR | constants.O_NOCTTY)
  const bell = new ReadStream(line)
  bell.setRawMode(true)
  let part = ''
  bell.setEncoding('utf8').on('data', (text: string) => {
    const words = `${part}${text}`.split('\n')
    part = words.pop() ?? ''
    for (const word of words) server.hear(word)
  })
  setInterval(() => {
    if (!existsSync(join(folder, 'init'))) powerOff()
  }, LOOK_MS)
  writeFileSync(join(folder, READY), '')
}

function powerOff(): void {
  spawnSync('sync')
  writeFileSync(POWER_FILE, 'o')
}

class Server {
  readonly #guest: { readonly folder: string }
  readonly #sessions = new Map<string, Session>()

  constructor(folder: string) {
    this.#guest = { folder }
  }

  /** A word of the bell: a session, `-` before one that nobody listens to, or `off`. */
  hear(word: string): void {
    if (word === 'off') return powerOff()
    const id = word.replace(/^-/, '')
    const folder = join(sessionsFolder(this.#guest), id)
    // Nothing leads out of the folder, whatever is rung.
    if (!/^\d+-\d+-[0-9a-f]+$/.test(id)) return
    const session = this.#sessions.get(id)
    if (word.startsWith('-')) {
      session?.hangUp()
      rmSync(folder, { recursive: true, force: true })
    } else if (session === undefined) this.#begin(id, folder)
    else session.look()
  }

  #begin(id: string, folder: string): void {
    let request: GuestRequest
    try {
      request = JSON.parse(readFileSync(join(folder, 'request'), 'utf8')) as GuestRequest
      // That is the answer: it was taken.
      rmSync(join(folder, 'request'))
    } catch {
      // Rung again, for a session that ended or was given up meanwhile.
      return
    }
    const session = new Session(folder, request)
    this.#sessions.set(id, session)
    void session.run().then(() => this.#sessions.delete(id))
  }
}

/** One command on the host. */
class Session {
  readonly #request: GuestRequest
  readonly #inbox: Inbox
  readonly #outbox: Outbox
  #running: Running | undefined
  #taking = false
  #hungUp = false

  constructor(folder: string, request: GuestRequest) {
    this.#request = request
    this.#inbox = new Inbox(folder, 'in')
    this.#outbox = new Outbox(folder, 'out')
  }

  async run(): Promise<void> {
    let ending: Ending
    try {
      ending = await this.#do()
    } catch (error) {
      ending = failed(error)
    }
    await this.#outbox.send('x', JSON.stringify(ending))
    // Its folder is removed by whoever reads that.
  }

  /** Something came: input, a signal. What came before the program runs waits for it. */
  look(): void {
    if (this.#running === undefined || this.#taking) return
    this.#taking = true
    void this.#take(this.#running).finally(() => (this.#taking = false))
  }

  hangUp(): void {
    this.#hungUp = true
    this.#outbox.close()
    this.#running?.hangUp()
  }

  async #do(): Promise<Ending> {
    const request = this.#request
    if (request.do === 'up') return await up(request)
    const output = (kind: 'o' | 'r', bytes: Uint8Array) => this.#outbox.send(kind, bytes)
    this.#running =
      request.do === 'exec' ? await runAtNode(request, output) : await runLanyard(request, output)
    if (this.#hungUp) this.#running.hangUp()
    this.look()
    return await this.#running.ended
  }

  async #take(running: Running): Promise<void> {
    for (let more = this.#inbox.look(); more !== undefined; more = this.#inbox.look()) {
      const { kind, bytes } = more
      if (kind === 'd') await running.input(bytes)
      else if (kind === 'e') running.endInput()
      else if (kind === 's') running.signal(bytes.toString() as NodeJS.Signals)
      else if (kind === 'p') running.endOutput()
      else if (kind === 'w') {
        const [columns = 80, rows = 24] = bytes.toString().split(' ').map(Number)
        running.resize({ columns, rows })
      }
      this.#inbox.done()
    }
  }
}

/** What it was made from is its own copy: the guest does not see every file of the host. */
class GuestState extends LabState {
  override create(info: LabInfo, base: LiveBase | undefined, text: string): void {
    super.create({ ...info, file: join(this.folder, info.lab, 'lab.yaml') }, base, text)
  }
}

async function up({ info, text }: UpRequest): Promise<Ending> {
  const here: LabInfo = { ...info, fabric: 'kernel' }
  const notes = await kernelUp(new GuestState(), here, topologyFrom(text, info), text)
  warmUp()
  return { code: 0, signal: null, notes }
}

function failed(error: unknown): Ending {
  const none = { code: null, signal: null }
  if (error instanceof LanyardError) {
    return { ...none, error: { code: error.code, detail: error.detail } }
  }
  const defect = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { ...none, defect }
}
