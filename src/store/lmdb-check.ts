/**
 * Looks at an LMDB file before LMDB does. LMDB maps the file and trusts it: a page that is not
 * where another points to is a bus error or an assertion that ends the process, with no error to
 * catch. So every page that can be reached is visited first: is it inside of the file, does it bear
 * its own number, is it of the kind it should be? Reads only; some 2 ms for 10,000 leases.
 *
 * Format: liblmdb's mdb.c, `MDB_meta`, `MDB_page_header`, `MDB_node`, data version 2.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

const HEADER = 24
const MAGIC = 0xbeefc0de
const DATA_VERSION = 2
const NO_PAGE = 0xffffffffffffffffn
const BRANCH = 0x01
const LEAF = 0x02
const OVERFLOW = 0x04
const META = 0x08
const NODE_BIG = 0x01
const NODE_HEADER = 8

interface Meta {
  readonly pageSize: number
  readonly roots: readonly bigint[]
  readonly transaction: bigint
}

/**
 * What is wrong with the file, in words; undefined when it is whole, or empty and about to become
 * one.
 */
export function findDamage(path: string): string | undefined {
  const file = openSync(path, 'r')
  try {
    // A writer may reuse pages while they are visited: then look again at the newer state.
    for (let attempt = 0; attempt < 5; attempt++) {
      if (fstatSync(file).size === 0) return undefined
      const before = newestMeta(file)
      if (typeof before === 'string') return before
      const damage = visit(file, before)
      if (damage === undefined) return undefined
      const after = newestMeta(file)
      if (typeof after !== 'string' && after.transaction === before.transaction) return damage
    }
    // Somebody writes to it all the time, so it is in use and not broken.
    return undefined
  } finally {
    closeSync(file)
  }
}

function read(file: number, offset: number, length: number): DataView | undefined {
  const bytes = new Uint8Array(length)
  if (readSync(file, bytes, 0, length, offset) < length) return undefined
  return new DataView(bytes.buffer)
}

function newestMeta(file: number): Meta | string {
  const first = read(file, 0, HEADER + 160)
  if (first === undefined || first.getUint32(HEADER, true) !== MAGIC)
    return 'it is not an LMDB file'
  const version = first.getUint32(HEADER + 4, true) & 0xffff
  if (version !== DATA_VERSION)
    return `it is an LMDB file of data version ${version}, not ${DATA_VERSION}`
  const pageSize = first.getUint32(HEADER + 24, true)
  if (pageSize < 512 || pageSize > 65536 || (pageSize & (pageSize - 1)) !== 0)
    return `its page size of ${pageSize} cannot be`
  const second = read(file, pageSize, HEADER + 160)
  if (second === undefined || second.getUint32(HEADER, true) !== MAGIC)
    return 'its second head is missing'
  const metas = [first, second].map((view) => ({
    pageSize,
    roots: [view.getBigUint64(HEADER + 64, true), view.getBigUint64(HEADER + 112, true)],
    transaction: view.getBigUint64(HEADER + 128, true),
  }))
  const [a, b] = metas
  if (a === undefined || b === undefined) return 'it has no head'
  return b.transaction > a.transaction ? b : a
}

/** Walks both trees (free pages, and the entries) from the roots a head names. */
function visit(file: number, meta: Meta): string | undefined {
  const { pageSize } = meta
  const pages = Math.floor(fstatSync(file).size / pageSize)
  const seen = new Set<bigint>()
  const todo = meta.roots.filter((root) => root !== NO_PAGE)
  for (let number = todo.pop(); number !== undefined; number = todo.pop()) {
    if (number >= BigInt(pages))
      return `it was cut short: it has ${pages} pages, not ${number + 1n}`
    if (seen.has(number)) return `two pages lead to page ${number}`
    seen.add(number)
    const page = read(file, Number(number) * pageSize, pageSize)
    if (page === undefined) return `page ${number} cannot be read`
    if (page.getBigUint64(0, true) !== number) return `page ${number} was overwritten`
    const flags = page.getUint16(18, true) & 0x3f
    if (flags === META || flags === OVERFLOW) return `page ${number} is not of a tree`
    if (flags !== BRANCH && flags !== LEAF) return `page ${number} was overwritten`
    const wrong = visitNodes(file, page, {
      number,
      pages,
      pageSize,
      branch: flags === BRANCH,
      todo,
    })
    if (wrong !== undefined) return wrong
  }
  return undefined
}

interface At {
  readonly number: bigint
  readonly pages: number
  readonly pageSize: number
  readonly branch: boolean
  readonly todo: bigint[]
}

function visitNodes(file: number, page: DataView, at: At): string | undefined {
  const torn = `page ${at.number} was overwritten`
  const lower = page.getUint16(20, true)
  const upper = page.getUint16(22, true)
  if (lower > upper || upper > at.pageSize - HEADER || (lower & 1) !== 0) return torn
  for (let i = 0; i < lower; i += 2) {
    const node = page.getUint16(HEADER + i, true) + HEADER
    if (node < HEADER + upper || node + NODE_HEADER > at.pageSize) return torn
    const low = page.getUint32(node, true)
    const flags = page.getUint16(node + 4, true)
    const data = node + NODE_HEADER + page.getUint16(node + 6, true)
    if (at.branch) at.todo.push(BigInt(low) + BigInt(flags) * 0x100000000n)
    else if ((flags & NODE_BIG) !== 0) {
      if (data + 8 > at.pageSize) return torn
      const wrong = visitOverflow(file, page.getBigUint64(data, true), low, at)
      if (wrong !== undefined) return wrong
    } else if (data + low > at.pageSize) return torn
  }
  return undefined
}

/** A value too long for a page lies on pages of its own, one after another. */
function visitOverflow(file: number, number: bigint, size: number, at: At): string | undefined {
  const count = Math.floor((HEADER - 1 + size) / at.pageSize) + 1
  if (number + BigInt(count) > BigInt(at.pages))
    return `it was cut short: it has ${at.pages} pages, not ${number + BigInt(count)}`
  const head = read(file, Number(number) * at.pageSize, HEADER)
  if (head?.getBigUint64(0, true) !== number || (head.getUint16(18, true) & OVERFLOW) === 0)
    return `page ${number} was overwritten`
  return undefined
}
