/**
 * A lab file while it is written from something else: its values with the comments that say where
 * each came from, and what could not be carried.
 */
import { Document, isCollection, isMap, isScalar, type Pair, type Scalar } from 'yaml'
import { LanyardError } from '../../errors.ts'
import { readLab } from '../read.ts'
import { formatPath, LabSource, type Path } from '../source.ts'
import type { Topology } from '../topology.ts'

/** Where in a foreign file something stands. */
export interface Place {
  readonly file: string
  readonly line: number
}

/** Something that has no place in a lab, or another one than in its file: said, never dropped. */
export interface Note extends Place {
  readonly sentence: string
}

/** `file:line: sentence` */
export function formatNote({ file, line, sentence }: Note): string {
  return `${file}:${line}: ${sentence}`
}

/** A place as a comment has it: without the folder, which the head of the file names. */
export function formatPlace({ file, line }: Place): string {
  return `${file.slice(file.lastIndexOf('/') + 1)}:${line}`
}

/** A lab written from a foreign file. */
export interface Imported {
  /** The lab file. */
  readonly text: string
  readonly notes: readonly Note[]
}

/** What is said of a value beside it. */
export interface Said {
  /** Stands above it as a comment. */
  readonly comment?: string
  /** Where it came from: what is wrong with it is reported there. */
  readonly from?: Place
  /** On one line, as `{to: sw:p0}`. */
  readonly flow?: boolean
}

export class Draft {
  readonly #doc = new Document({})
  readonly #origins = new Map<string, Place>()
  readonly #notes = new Map<string, Note>()

  /** @param head lines of the comment at the top */
  constructor(lab: string, head: readonly string[]) {
    this.#doc.commentBefore = head.map((line) => ` ${line}`).join('\n')
    this.put(['lab'], lab)
  }

  /** Puts a value; the mappings on the way are made. */
  put(path: Path, value: unknown, said: Said = {}): void {
    const node = this.#doc.createNode(value, {
      flow: said.flow === true,
      aliasDuplicateObjects: false,
    })
    this.#doc.setIn(path, node)
    if (said.comment !== undefined) this.#keyOf(path).commentBefore = ` ${said.comment}`
    if (said.from !== undefined) this.#origins.set(formatPath(path), said.from)
  }

  /** Says something of a value that is there. */
  say(path: Path, comment: string): void {
    this.#keyOf(path).commentBefore = ` ${comment}`
  }

  /** Puts one more value at the end of a list. */
  push(path: Path, value: unknown): void {
    if (this.has(path)) this.#doc.addIn(path, this.#doc.createNode(value))
    else this.put(path, [value])
  }

  has(path: Path): boolean {
    return this.#doc.hasIn(path)
  }

  note(place: Place, sentence: string): void {
    const note = { file: place.file, line: place.line, sentence }
    this.#notes.set(formatNote(note), note)
  }

  get notes(): readonly Note[] {
    const files = new Map([...this.#notes.values()].map(({ file }, i) => [file, i]))
    const rank = ({ file }: Note): number => files.get(file) ?? 0
    return [...this.#notes.values()].sort((a, b) => rank(a) - rank(b) || a.line - b.line)
  }

  /** The text, with an empty line before each of its sections. */
  text(): string {
    if (isMap(this.#doc.contents)) {
      for (const { value } of this.#doc.contents.items.slice(1)) {
        if (!isCollection(value)) continue
        for (const pair of this.#doc.contents.items)
          if (pair.value === value) spaced(this.#doc, pair)
      }
    }
    return this.#doc.toString({ lineWidth: 100, flowCollectionPadding: false })
  }

  /**
   * The lab of the text.
   *
   * @param file the foreign file
   * @throws LanyardError `lab-invalid` with what is wrong, at the lines of the foreign file
   */
  topology(file: string): Topology {
    try {
      const [topology] = readLab(new LabSource(file, this.text()))
      if (topology === undefined) throw new Error('a lab without a matrix has one topology')
      return topology
    } catch (error) {
      if (!(error instanceof LanyardError) || error.code !== 'lab-invalid') throw error
      const { problems } = (error as LanyardError<'lab-invalid'>).detail
      const placed = problems.map((p) => ({ ...p, ...this.#originOf(p.path, file), column: 1 }))
      throw new LanyardError('lab-invalid', { problems: placed }, { cause: error })
    }
  }

  /** The place of a path or of what it stands in. */
  #originOf(path: string, file: string): Place {
    let best = ''
    for (const known of this.#origins.keys()) {
      const holds = path === known || path.startsWith(`${known}.`) || path.startsWith(`${known}[`)
      if (holds && known.length > best.length) best = known
    }
    return this.#origins.get(best) ?? { file, line: 1 }
  }

  /** The key of a value, as something that can have a comment. */
  #keyOf(path: Path): Scalar {
    const parent = path.length === 1 ? this.#doc.contents : this.#doc.getIn(path.slice(0, -1), true)
    const last = path.at(-1)
    const pair = isMap(parent)
      ? parent.items.find((p) => (isScalar(p.key) ? p.key.value : p.key) === last)
      : undefined
    if (pair === undefined) throw new Error(`nothing at ${formatPath(path)}`)
    return scalarKey(this.#doc, pair)
  }
}

function spaced(doc: Document, pair: Pair): void {
  scalarKey(doc, pair).spaceBefore = true
}

function scalarKey(doc: Document, pair: Pair): Scalar {
  if (!isScalar(pair.key)) pair.key = doc.createNode(pair.key)
  return pair.key as Scalar
}
