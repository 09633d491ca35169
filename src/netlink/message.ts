/**
 * Netlink messages: the header, formats (a family header with its attribute table), the walk over
 * a datagram, and what the kernel answers with (`NLMSG_ERROR`, `NLMSG_DONE`, extended ack).
 * Layout: include/uapi/linux/netlink.h; RFC 3549.
 */
import { attr, type Codec, type Fixed, table, text, u32 } from './attribute.ts'
import { align4, LITTLE, type Writer } from './bytes.ts'
import { errnoName } from '../errno.ts'

export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3
export const NLMSG_OVERRUN = 4

export const NLM_F_REQUEST = 0x1
export const NLM_F_MULTI = 0x2
export const NLM_F_ACK = 0x4
export const NLM_F_DUMP_INTR = 0x10
/** Of GET requests. */
export const NLM_F_DUMP = 0x300
/** Of NEW requests. */
export const NLM_F_REPLACE = 0x100
export const NLM_F_EXCL = 0x200
export const NLM_F_CREATE = 0x400
/** Of answers: the request was not copied back, attributes follow. */
const NLM_F_CAPPED = 0x100
const NLM_F_ACK_TLVS = 0x200

export const HEADER_SIZE = 16

/** What a kind of message is made of, behind the netlink header. */
export interface Format<H, A> {
  readonly header: Fixed<H>
  readonly attributes: Codec<A>
}

export function format<H, A>(header: Fixed<H>, attributes: Codec<A>): Format<H, A> {
  return { header, attributes }
}

/** A request before it has a sequence number. */
export interface Outgoing {
  readonly type: number
  readonly flags: number
  write(writer: Writer): void
}

/** A request of a format; fields of the header that are left out are zero. */
export function outgoing<H, A>(
  type: number,
  flags: number,
  form: Format<H, A>,
  header: Partial<H>,
  attributes?: A,
): Outgoing {
  return {
    type,
    flags,
    write: (writer) => {
      form.header.encode(writer, header as H)
      if (attributes === undefined) return
      writer.pad4()
      form.attributes.encode(writer, attributes)
    },
  }
}

/** Appends a message with its header. */
export function writeMessage(writer: Writer, message: Outgoing, flags: number, seq: number): void {
  const start = writer.skip(HEADER_SIZE)
  message.write(writer)
  const { view } = writer
  view.setUint32(start, writer.length - start, LITTLE)
  view.setUint16(start + 4, message.type, LITTLE)
  view.setUint16(start + 6, message.flags | flags, LITTLE)
  view.setUint32(start + 8, seq, LITTLE)
  writer.pad4()
}

/** Where one message of a datagram lies. */
export interface Incoming {
  readonly view: DataView
  readonly type: number
  readonly flags: number
  readonly seq: number
  /** The body, without the netlink header. */
  readonly start: number
  readonly end: number
}

/** The messages of a datagram; stops at the first that is cut short. */
export function incoming(datagram: Uint8Array): readonly Incoming[] {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength)
  const found: Incoming[] = []
  let at = 0
  while (at + HEADER_SIZE <= view.byteLength) {
    const length = view.getUint32(at, LITTLE)
    if (length < HEADER_SIZE || at + length > view.byteLength) break
    found.push({
      view,
      type: view.getUint16(at + 4, LITTLE),
      flags: view.getUint16(at + 6, LITTLE),
      seq: view.getUint32(at + 8, LITTLE),
      start: at + HEADER_SIZE,
      end: at + length,
    })
    at += align4(length)
  }
  return found
}

/** One decoded message. */
export interface Entry<H, A> {
  readonly type: number
  readonly header: H
  readonly attributes: A
}

/**
 * Reads a message by its format; undefined when it is too short for its header.
 * @param keep looked at before the attributes are: what it refuses is not decoded
 */
export function readMessage<H, A>(
  form: Format<H, A>,
  message: Incoming,
  keep?: (header: H) => boolean,
): Entry<H, A> | undefined {
  const { view, start, end } = message
  const header = form.header.decode(view, start, end)
  if (header === undefined || (keep !== undefined && !keep(header))) return undefined
  const attributes = form.attributes.decode(view, start + align4(form.header.size), end)
  return attributes && { type: message.type, header, attributes }
}

/** What the kernel said to one request. */
export type Answer = { readonly ok: true } | Refusal

export interface Refusal {
  readonly ok: false
  /** `EINVAL`, `EBUSY`, ... */
  readonly errno: string
  /** The kernel's extended-ack text; undefined when it gave none. */
  readonly extack: string | undefined
  /** Where in the request the offending attribute lies, when the kernel said so. */
  readonly offset: number | undefined
}

export const DONE: Answer = { ok: true }

const errorAttributes = table({ message: attr(1, text), offset: attr(2, u32) })

/** The answer in an `NLMSG_ERROR` or, at the end of a dump, an `NLMSG_DONE`. */
export function readAnswer(message: Incoming): Answer {
  const { view, type, flags, start, end } = message
  if (end - start < 4) return DONE
  const code = view.getInt32(start, LITTLE)
  if (code >= 0) return DONE
  let at = start + 4
  if (type === NLMSG_ERROR && at + 4 <= end) {
    // Behind the code comes the header of the request, and unless capped all of it.
    at += (flags & NLM_F_CAPPED) === 0 ? align4(view.getUint32(at, LITTLE)) : HEADER_SIZE
  }
  const said =
    (flags & NLM_F_ACK_TLVS) !== 0 && at < end ? errorAttributes.decode(view, at, end) : undefined
  return { ok: false, errno: errnoName(-code), extack: said?.message, offset: said?.offset }
}
