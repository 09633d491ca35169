/**
 * Requests over a {@link Transport}: one with its answer, many in few datagrams, dumps.
 *
 * Everything is synchronous: the kernel handles a rtnetlink request inside `send`, and its answer
 * waits when `send` returns. Sequence numbers tell answers from leftovers of an earlier request.
 */
import { LanyardError } from '../errors.ts'
import { Writer } from './bytes.ts'
import {
  type Answer,
  DONE,
  type Entry,
  type Format,
  type Incoming,
  incoming,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  type Outgoing,
  type Refusal,
  readAnswer,
  readMessage,
  writeMessage,
} from './message.ts'
import type { Transport } from './transport.ts'

/**
 * Requests in one datagram. Each answer takes about 1 KiB of the socket's receive buffer (an skb,
 * whatever its length), and a refusal quotes its request: 64 stay far below the smallest usual
 * buffer of 212,992 bytes, and more would not be faster.
 */
const BATCH_MESSAGES = 64
const BATCH_BYTES = 32 << 10
/** An interrupted or overrun dump is begun again this often. */
const DUMP_ATTEMPTS = 8

export class Connection {
  readonly #transport: Transport
  readonly #writer = new Writer(8192)
  #seq = 0

  constructor(transport: Transport) {
    this.#transport = transport
  }

  /**
   * Sends one request and gives the kernel's answer.
   * @throws LanyardError `netlink-lost` when no answer came: whether the kernel did it is unknown
   *
   * @example
   * ```ts
   * connection.request(outgoing(RTM_DELLINK, 0, link, {}, { name: 'mac1' }))
   * // { ok: false, errno: 'ENODEV', extack: undefined, offset: undefined }
   * ```
   */
  request(message: Outgoing, onReply?: (reply: Incoming) => void): Answer {
    return this.#batch([message], 0, 1, onReply && ((_, reply) => onReply(reply)))[0] ?? DONE
  }

  /**
   * As {@link request}, for what the kernel takes long to do; nothing else may be asked meanwhile.
   * @throws LanyardError `netlink-lost`
   */
  async requestLater(message: Outgoing): Promise<Answer> {
    const transport = this.#transport
    if (transport.sendLater === undefined) return this.request(message)
    const seq = this.#next()
    this.#writer.reset()
    writeMessage(this.#writer, message, NLM_F_REQUEST | NLM_F_ACK, seq)
    await transport.sendLater(this.#writer.bytes().slice())
    for (;;)
      for (const reply of this.#receive(1))
        if (reply.seq === seq && reply.type === NLMSG_ERROR) return readAnswer(reply)
  }

  /** Asks for one thing (`RTM_GETLINK`, `RTM_GETNSID`); undefined when the kernel sent none. */
  get<H, A>(
    message: Outgoing,
    form: Format<H, A>,
  ): { readonly ok: true; readonly entry: Entry<H, A> | undefined } | Refusal {
    let entry: Entry<H, A> | undefined
    const answer = this.request(message, (reply) => {
      entry = readMessage(form, reply)
    })
    return answer.ok ? { ok: true, entry } : answer
  }

  /**
   * Sends requests in few datagrams. The kernel does them in order and goes on after a refusal:
   * for work where the first refusal must stop the rest, use {@link request} one by one.
   *
   * @param onReply called with what a request answered besides its acknowledgement
   * @throws LanyardError `netlink-lost`
   */
  batch(
    messages: readonly Outgoing[],
    onReply?: (index: number, reply: Incoming) => void,
  ): readonly Answer[] {
    const answers: Answer[] = []
    while (answers.length < messages.length) {
      const from = answers.length
      const count = Math.min(BATCH_MESSAGES, messages.length - from)
      answers.push(...this.#batch(messages, from, count, onReply))
    }
    return answers
  }

  /** Sends up to `count` requests in one datagram, fewer when they are long. */
  #batch(
    messages: readonly Outgoing[],
    from: number,
    count: number,
    onReply: ((index: number, reply: Incoming) => void) | undefined,
  ): readonly Answer[] {
    if (this.#seq > 0xffff0000) this.#seq = 0
    const first = this.#seq + 1
    this.#writer.reset()
    let written = 0
    while (written < count && this.#writer.length < BATCH_BYTES) {
      const message = messages[from + written] as Outgoing
      writeMessage(this.#writer, message, NLM_F_REQUEST | NLM_F_ACK, this.#next())
      written++
    }
    this.#transport.send(this.#writer.bytes())
    const answers: Answer[] = Array.from({ length: written })
    let open = written
    while (open > 0) {
      for (const message of this.#receive(open)) {
        const index = message.seq - first
        if (index < 0 || index >= written) continue
        if (message.type === NLMSG_ERROR) {
          if (answers[index] === undefined) open--
          answers[index] = readAnswer(message)
        } else if (message.type > NLMSG_DONE) onReply?.(from + index, message)
      }
    }
    return answers
  }

  /**
   * All entries of a kind. Begun again when something changed meanwhile (`NLM_F_DUMP_INTR`) or the
   * receive buffer overran, up to 8 times; then the last complete pass is taken: each entry in it
   * was true when it was read.
   *
   * @param keep looked at before an entry's attributes are decoded
   * @throws LanyardError `netlink-refused`, `netlink-lost`
   */
  dump<H, A>(
    message: Outgoing,
    form: Format<H, A>,
    keep?: (header: H) => boolean,
  ): readonly Entry<H, A>[] {
    for (let attempt = 1; ; attempt++) {
      const pass = this.#pass(message, form, keep)
      if (pass.complete && (!pass.interrupted || attempt >= DUMP_ATTEMPTS)) return pass.entries
      if (attempt >= DUMP_ATTEMPTS) throw new LanyardError('netlink-lost', { count: 1 })
    }
  }

  #pass<H, A>(
    message: Outgoing,
    form: Format<H, A>,
    keep: ((header: H) => boolean) | undefined,
  ): { entries: readonly Entry<H, A>[]; interrupted: boolean; complete: boolean } {
    const seq = this.#next()
    this.#writer.reset()
    writeMessage(this.#writer, message, NLM_F_REQUEST | NLM_F_DUMP, seq)
    this.#transport.send(this.#writer.bytes())
    const entries: Entry<H, A>[] = []
    let interrupted = false
    for (;;) {
      let datagram: Uint8Array | undefined
      try {
        datagram = this.#transport.receive()
      } catch (error) {
        if (!isOverrun(error)) throw error
        this.#drain()
        return { entries, interrupted: true, complete: false }
      }
      if (datagram === undefined) return { entries, interrupted: true, complete: false }
      for (const reply of incoming(datagram)) {
        if (reply.seq !== seq) continue
        if ((reply.flags & NLM_F_DUMP_INTR) !== 0) interrupted = true
        if (reply.type === NLMSG_DONE || reply.type === NLMSG_ERROR) {
          const answer = readAnswer(reply)
          if (answer.ok) return { entries, interrupted, complete: true }
          throw refused(message, answer)
        }
        const entry = readMessage(form, reply, keep)
        if (entry !== undefined) entries.push(entry)
      }
    }
  }

  #next(): number {
    return ++this.#seq
  }

  #receive(open: number): readonly Incoming[] {
    let datagram: Uint8Array | undefined
    try {
      datagram = this.#transport.receive()
    } catch (error) {
      if (!isOverrun(error)) throw error
      this.#drain()
      throw new LanyardError('netlink-lost', { count: open }, { cause: error })
    }
    if (datagram === undefined) throw new LanyardError('netlink-lost', { count: open })
    return incoming(datagram)
  }

  /** Throws away what waits, so that the next request starts from an empty buffer. */
  #drain(): void {
    for (;;) {
      try {
        if (this.#transport.receive() === undefined) return
      } catch (error) {
        if (!isOverrun(error)) throw error
      }
    }
  }

  close(): void {
    this.#transport.close()
  }
}

function isOverrun(error: unknown): boolean {
  return error instanceof Error && 'errno' in error && error.errno === 'ENOBUFS'
}

function refused(message: Outgoing, refusal: Refusal): LanyardError {
  const { errno, extack } = refusal
  return new LanyardError('netlink-refused', { type: message.type, errno, extack })
}
