/**
 * Attribute types and attribute tables: one declaration is both encoder and decoder.
 *
 * A {@link Codec} knows one payload; {@link table} makes a codec out of named attributes and
 * infers the type of its values. Decoders never throw: a payload of the wrong size reads as
 * undefined and its attribute is left out; attributes a table does not name are skipped.
 * Layout: `struct nlattr` in include/uapi/linux/netlink.h.
 */
import type { Ip } from '../addr/ip.ts'
import type { Mac } from '../addr/mac.ts'
import { align4, decodeText, encodeText, LITTLE, type Writer } from './bytes.ts'

/** How one payload is written and read. Methods, so that a table can hold codecs of any value. */
export interface Codec<T> {
  encode(writer: Writer, value: T): void
  /** @returns undefined when the bytes from `start` to `end` are not such a payload */
  decode(view: DataView, start: number, end: number): T | undefined
}

/** A codec whose payload has always the same size, so it can be a field of a {@link struct}. */
export interface Fixed<T> extends Codec<T> {
  readonly size: number
}

/** The values a codec reads and writes. */
export type ValueOf<C> = C extends Codec<infer T> ? T : never

function fixed<T>(
  size: number,
  set: (view: DataView, at: number, value: T) => void,
  get: (view: DataView, at: number) => T,
): Fixed<T> {
  return {
    size,
    encode: (writer, value) => {
      const at = writer.skip(size)
      set(writer.view, at, value)
    },
    decode: (view, start, end) => (end - start === size ? get(view, start) : undefined),
  }
}

export const u8 = fixed<number>(
  1,
  (view, at, value) => view.setUint8(at, value),
  (view, at) => view.getUint8(at),
)
export const u16 = fixed<number>(
  2,
  (view, at, value) => view.setUint16(at, value, LITTLE),
  (view, at) => view.getUint16(at, LITTLE),
)
export const u32 = fixed<number>(
  4,
  (view, at, value) => view.setUint32(at, value, LITTLE),
  (view, at) => view.getUint32(at, LITTLE),
)
export const s32 = fixed<number>(
  4,
  (view, at, value) => view.setInt32(at, value, LITTLE),
  (view, at) => view.getInt32(at, LITTLE),
)
export const u64 = fixed<bigint>(
  8,
  (view, at, value) => view.setBigUint64(at, value, LITTLE),
  (view, at) => view.getBigUint64(at, LITTLE),
)
/** Network byte order, as VLAN protocols and ports are. */
export const be16 = fixed<number>(
  2,
  (view, at, value) => view.setUint16(at, value, false),
  (view, at) => view.getUint16(at, false),
)
export const be32 = fixed<number>(
  4,
  (view, at, value) => view.setUint32(at, value, false),
  (view, at) => view.getUint32(at, false),
)

export const mac = fixed<Mac>(
  6,
  (view, at, value) => {
    view.setUint16(at, Math.floor(value / 0x100000000), false)
    view.setUint32(at + 2, value % 0x100000000, false)
  },
  (view, at) => view.getUint16(at, false) * 0x100000000 + view.getUint32(at + 2, false),
)

/** An IPv6 address by itself (`struct in6_addr`). */
export const ip6 = fixed<bigint>(
  16,
  (view, at, value) => {
    view.setBigUint64(at, value >> 64n, false)
    view.setBigUint64(at + 8, value & 0xffffffffffffffffn, false)
  },
  (view, at) => (view.getBigUint64(at, false) << 64n) | view.getBigUint64(at + 8, false),
)

/** An address of either family; the payload's size tells which. */
export const ip: Codec<Ip> = {
  encode: (writer, value) => {
    if (typeof value === 'number') be32.encode(writer, value)
    else ip6.encode(writer, value)
  },
  decode: (view, start, end) =>
    end - start === 4 ? be32.decode(view, start, end) : ip6.decode(view, start, end),
}

/** Text with a NUL behind it, as `NLA_NUL_STRING`; read also without (`NLA_STRING`). */
export const text: Codec<string> = {
  encode: (writer, value) => {
    writer.put(encodeText(value))
    writer.skip(1)
  },
  decode: decodeText,
}

export const bytes: Codec<Uint8Array> = {
  encode: (writer, value) => writer.put(value),
  decode: (view, start, end) =>
    new Uint8Array(view.buffer.slice(view.byteOffset + start, view.byteOffset + end)),
}

/**
 * An attribute that says yes by being there (`NLA_FLAG`); `false` writes an empty one too: leave it
 * out.
 */
export const flag: Codec<true> = { encode: () => undefined, decode: () => true }

/** A run of 32-bit signed words, as the per-device sysctl tables of `IFLA_AF_SPEC`. */
export const words: Codec<Int32Array> = {
  encode: (writer, value) => {
    for (const word of value) s32.encode(writer, word)
  },
  decode: (view, start, end) => {
    const from = view.byteOffset + start
    return new Int32Array(view.buffer.slice(from, from + ((end - start) & ~3)) as ArrayBuffer)
  },
}

/** Bytes of a struct that mean nothing here: written as zero, not read. */
export function pad(size: number): Fixed<undefined> {
  return { size, encode: (writer) => void writer.skip(size), decode: () => undefined }
}

type Fields = Readonly<Record<string, Fixed<unknown>>>
/** The fields of a struct; padding has none. */
export type StructValue<F extends Fields> = {
  readonly [K in keyof F as F[K] extends Fixed<undefined> ? never : K]: ValueOf<F[K]>
}

/** A C struct: fields one behind the other in the order written. A field left out is zero. */
export function struct<F extends Fields>(fields: F): Fixed<StructValue<F>> {
  const names = Object.keys(fields)
  const codecs = Object.values(fields)
  const size = codecs.reduce((sum, codec) => sum + codec.size, 0)
  return {
    size,
    encode: (writer, value) => {
      const given = value as Readonly<Record<string, unknown>>
      for (const [i, codec] of codecs.entries()) {
        const field = given[names[i] as string]
        if (field === undefined) writer.skip(codec.size)
        else codec.encode(writer, field)
      }
    },
    // Longer is read too: the kernel appends fields to its structs.
    decode: (view, start, end) => {
      if (end - start < size) return undefined
      const value: Record<string, unknown> = {}
      let at = start
      for (let i = 0; i < codecs.length; i++) {
        const codec = codecs[i] as Fixed<unknown>
        const field = codec.decode(view, at, at + codec.size)
        if (field !== undefined) value[names[i] as string] = field
        at += codec.size
      }
      return value as StructValue<F>
    },
  }
}

/** Nested attributes carry this bit in their type, byte-order ones the next (netlink.h). */
const NESTED = 0x8000
const TYPE_MASK = 0x3fff

/** One named attribute of a table. */
export interface Attribute<T> {
  readonly id: number
  write(writer: Writer, value: T): void
  /** `before`: what an earlier attribute of the same type gave. */
  read(view: DataView, start: number, end: number, before: T | undefined): T | undefined
}

function writeOne<T>(writer: Writer, type: number, codec: Codec<T>, value: T): void {
  const start = writer.skip(4)
  codec.encode(writer, value)
  writer.view.setUint16(start, writer.length - start, LITTLE)
  writer.view.setUint16(start + 2, type, LITTLE)
  writer.pad4()
}

/** An attribute that holds one payload. */
export function attr<T>(id: number, codec: Codec<T>): Attribute<T> {
  return {
    id,
    write: (writer, value) => writeOne(writer, id, codec, value),
    read: (view, start, end) => codec.decode(view, start, end),
  }
}

/** An attribute that holds attributes. */
export function nested<T>(id: number, codec: Codec<T>): Attribute<T> {
  return {
    id,
    write: (writer, value) => writeOne(writer, id | NESTED, codec, value),
    read: (view, start, end) => codec.decode(view, start, end),
  }
}

/** An attribute that may come several times: a list. */
export function repeated<T>(id: number, codec: Codec<T>): Attribute<readonly T[]> {
  return {
    id,
    write: (writer, values) => {
      for (const value of values) writeOne(writer, id, codec, value)
    },
    read: (view, start, end, before) => {
      const value = codec.decode(view, start, end)
      return value === undefined ? before : [...(before ?? []), value]
    },
  }
}

type Attributes = Readonly<Record<string, Attribute<unknown>>>
/** The values of a table: every attribute may be absent. */
export type TableValue<S extends Attributes> = {
  readonly [K in keyof S]?: S[K] extends Attribute<infer T> ? T : never
}

/**
 * An attribute table: names to attributes. Writes the values given, in the order they are given;
 * reads what it knows.
 *
 * @example
 * ```ts
 * const macvlan = table({ mode: attr(1, u32), flags: attr(2, u16) })
 * macvlan.encode(writer, { mode: 4 })
 * ```
 */
export function table<S extends Attributes>(attributes: S): Codec<TableValue<S>> {
  const byName = new Map(Object.entries(attributes))
  const byId: ([string, Attribute<unknown>] | undefined)[] = []
  for (const [name, attribute] of byName) byId[attribute.id] = [name, attribute]
  return {
    encode: (writer, values) => {
      for (const [name, value] of Object.entries(values)) {
        if (value !== undefined) byName.get(name)?.write(writer, value)
      }
    },
    decode: (view, start, end) => {
      const values: Record<string, unknown> = {}
      eachAttribute(view, start, end, (type, from, to) => {
        const known = byId[type]
        if (known === undefined) return
        const value = known[1].read(view, from, to, values[known[0]])
        if (value !== undefined) values[known[0]] = value
      })
      return values as TableValue<S>
    },
  }
}

/**
 * Calls `visit` for each attribute between `start` and `end`; stops at the first that is cut short.
 */
export function eachAttribute(
  view: DataView,
  start: number,
  end: number,
  visit: (type: number, start: number, end: number) => void,
): void {
  let at = start
  while (at + 4 <= end) {
    const length = view.getUint16(at, LITTLE)
    if (length < 4 || at + length > end) return
    visit(view.getUint16(at + 2, LITTLE) & TYPE_MASK, at + 4, at + length)
    at += align4(length)
  }
}
