/**
 * What the kernel itself says of frames: its trace events (tracefs), of links whose names begin
 * with a prefix, since names are all that tells links of different namespaces apart there.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** One frame at one link. */
export interface Seen {
  /** `tx`: given to the driver; `rx`: received. */
  readonly what: 'tx' | 'rx'
  readonly link: string
  readonly etherType: number
  readonly length: number
}

const EVENTS = ['net_dev_start_xmit', 'netif_rx_entry', 'netif_receive_skb_entry'] as const

/** Why there is no tracefs here; undefined when there is. */
export function traceMissing(): string | undefined {
  try {
    const folder = mountTracefs()
    unmount(folder)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

export class KernelTrace {
  readonly #root: string
  readonly #instance: string

  /** Events of links whose names begin so, in a buffer of its own. {@link close} takes it away. */
  constructor(prefix: string) {
    this.#root = mountTracefs()
    this.#instance = join(this.#root, 'instances', `lanyard-${process.pid}`)
    mkdirSync(this.#instance)
    for (const event of EVENTS) {
      this.#write(`events/net/${event}/filter`, `name ~ "${prefix}*"`)
      this.#write(`events/net/${event}/enable`, '1')
    }
  }

  #write(path: string, text: string): void {
    writeFileSync(join(this.#instance, path), text)
  }

  /** What links whose names begin so have seen. */
  read(prefix: string): Seen[] {
    const text = readFileSync(join(this.#instance, 'trace'), 'utf8')
    return text.split('\n').flatMap((line): Seen[] => {
      const found = /: (\w+): dev=(\S+) .*protocol=0x([0-9a-f]+) .*?\blen=(\d+)/.exec(line)
      const [, event, link, type, length] = found ?? []
      if (event === undefined || type === undefined || link?.startsWith(prefix) !== true) return []
      const what = event === 'net_dev_start_xmit' ? 'tx' : 'rx'
      return [{ what, link, etherType: Number.parseInt(type, 16), length: Number(length) }]
    })
  }

  close(): void {
    for (const event of EVENTS) this.#write(`events/net/${event}/enable`, '0')
    rmdirSync(this.#instance)
    unmount(this.#root)
  }
}

function mountTracefs(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lanyard-trace-'))
  const { status, stderr } = spawnSync('mount', ['-t', 'tracefs', 'nodev', folder], {
    encoding: 'utf8',
  })
  if (status === 0) return folder
  rmdirSync(folder)
  throw new Error(`no tracefs: ${stderr.trim()}`)
}

function unmount(folder: string): void {
  spawnSync('umount', [folder])
  rmdirSync(folder)
}
