/**
 * What a Docker daemon of the simulator knows: networks and containers, kept as one file on the
 * disk of its machine (the journal of the lab keeps the file). Every container is a namespace of
 * that machine, named `docker/NAME`, which `ip netns` does not show, as it does not on a real one.
 */
import { hash32 } from '../../driver/names.ts'
import { ToolExit } from '../arguments.ts'
import type { MachineDisk, Session } from '../session.ts'

/** Where dockerd keeps its own. */
const FILE = '/var/lib/docker/network/files/local-kv.db'
/** `echo 29 > /etc/docker/dialect` has the machine run a Docker of today. */
export const DIALECT_FILE = '/etc/docker/dialect'
/** Virtual time begins on this day where Docker prints a date, and a lab lives within its month. */
const EPOCH = '2026-01'

/**
 * Which Docker it is: one network a parent, MACs from addresses and gateways nobody asked for
 * (20.10, read off a real one), or parents shared, random MACs and no gateway but
 * those given (29, read in its source).
 */
export type Dialect = '20.10' | '29'

export interface DockerPool {
  /** As it was written. */
  readonly subnet: string
  readonly range?: string
  /** The address containers route by. */
  readonly gateway?: string
  /** The gateway was asked for, so inspect shows it. */
  readonly shown: boolean
  readonly aux: Readonly<Record<string, string>>
}

export interface DockerNetwork {
  readonly name: string
  readonly id: string
  readonly driver: 'macvlan' | 'ipvlan'
  readonly createdNs: number
  readonly pools: readonly DockerPool[]
  readonly internal: boolean
  readonly ipv6: boolean
  readonly attachable: boolean
  readonly labels: Readonly<Record<string, string>>
  /** As given with `-o`. */
  readonly options: Readonly<Record<string, string>>
  readonly parent: string
  /** `eth0.50` or a dummy that was made for it and goes with it. */
  readonly parentOwned: boolean
  readonly mode: string
}

/** A container's place on a network. */
export interface DockerPlace {
  readonly network: string
  readonly wantedIp?: string
  readonly wantedIp6?: string
  readonly wantedMac?: string
  /** Absent while the container does not run. */
  readonly now?: {
    readonly endpoint: string
    readonly link: string
    readonly ip?: string
    readonly ip6?: string
    readonly mac: string
  }
}

export interface DockerContainer {
  readonly name: string
  readonly id: string
  readonly image: string
  readonly command: readonly string[]
  readonly tty: boolean
  readonly stdin: boolean
  readonly autoRemove: boolean
  readonly createdNs: number
  readonly startedNs?: number
  readonly status: 'created' | 'running' | 'exited'
  readonly exitCode: number
  readonly endedNs?: number
  /** The number of the next link: never used twice while it runs (20.10). */
  readonly nextLink: number
  readonly places: readonly DockerPlace[]
}

interface Kept {
  readonly serial: number
  readonly networks: readonly DockerNetwork[]
  readonly containers: readonly DockerContainer[]
}

/** What the daemon refuses. */
export function refuse(text: string): never {
  throw new ToolExit(1, `Error response from daemon: ${text}\n`)
}

/** The daemon of a session's machine, for the time of one command. */
export class Daemon {
  readonly session: Session
  readonly dialect: Dialect
  networks: readonly DockerNetwork[]
  containers: readonly DockerContainer[]
  #serial: number
  readonly #disk: MachineDisk
  readonly #machine: string

  private constructor(session: Session, disk: MachineDisk, kept: Kept | undefined) {
    this.session = session
    this.#disk = disk
    this.#machine = session.machine?.name ?? ''
    this.dialect = disk.read(DIALECT_FILE)?.trim() === '29' ? '29' : '20.10'
    this.networks = kept?.networks ?? []
    this.containers = kept?.containers ?? []
    this.#serial = kept?.serial ?? 0
  }

  /** The daemon as it was left; one that never ran is started. */
  static async open(session: Session): Promise<Daemon> {
    const disk = session.machine?.disk
    if (disk === undefined || session.netns !== '') {
      const why = 'docker needs a machine of a lab (lanyard lab up), not a namespace on it'
      throw new ToolExit(127, `lanyard: ${why}\n`)
    }
    const text = disk.read(FILE)
    if (text !== undefined) return new Daemon(session, disk, JSON.parse(text) as Kept)
    const daemon = new Daemon(session, disk, undefined)
    await daemon.#start()
    daemon.save()
    return daemon
  }

  /** What dockerd does to its host when it starts (with --iptables=false). */
  async #start(): Promise<void> {
    const mac = 0x0242_0000_0000 + (hash32(`docker0 ${this.#machine}`) >>> 0)
    await this.session.fabric.apply(
      [
        { do: 'link.add', netns: '', name: 'docker0', spec: { kind: 'bridge' }, address: mac },
        {
          do: 'address.add',
          netns: '',
          link: 'docker0',
          address: { address: 0xac110001, length: 16 },
          broadcast: 0xac11ffff,
        },
        { do: 'link.set', netns: '', name: 'docker0', up: true },
        { do: 'sysctl.set', netns: '', key: 'net.ipv4.ip_forward', value: '1' },
      ],
      { keepGoing: true },
    )
  }

  save(): void {
    const { networks, containers } = this
    const kept: Kept = { serial: this.#serial, networks, containers }
    this.#disk.write(FILE, JSON.stringify(kept))
  }

  get nowNs(): number {
    return this.session.fabric.clock.nowNs()
  }

  /** 64 hexadecimal digits nobody else has. */
  newId(): string {
    const serial = this.#serial++
    return idOf(`${this.#machine}/${serial}`)
  }

  /** The names Docker gives who has none, two by two. */
  newName(): string {
    for (let n = this.#serial; ; n++) {
      const name = `${pick(LEFT, n)}_${pick(RIGHT, n + 3)}`
      if (!this.containers.some((c) => c.name === name)) return name
    }
  }

  /** A network by name, id or the beginning of its id. */
  findNetwork(word: string): DockerNetwork | undefined {
    return find(this.networks, word)
  }

  findContainer(word: string): DockerContainer | undefined {
    return find(this.containers, word.replace(/^\//, ''))
  }

  put(container: DockerContainer): void {
    const known = this.containers.some((c) => c.id === container.id)
    this.containers = known
      ? this.containers.map((c) => (c.id === container.id ? container : c))
      : [...this.containers, container]
  }

  drop(container: DockerContainer): void {
    this.containers = this.containers.filter((c) => c.id !== container.id)
  }

  /** RFC 3339 with nanoseconds, as Docker prints moments. */
  date(ns: number): string {
    const two = (n: number): string => String(Math.floor(n)).padStart(2, '0')
    const seconds = Math.floor(ns / 1e9)
    const day = two(1 + seconds / 86_400)
    const time = [(seconds / 3600) % 24, (seconds / 60) % 60, seconds % 60].map(two).join(':')
    return `${EPOCH}-${day}T${time}.${String(ns % 1e9).padStart(9, '0')}Z`
  }
}

function find<T extends { readonly name: string; readonly id: string }>(
  all: readonly T[],
  word: string,
): T | undefined {
  const exact = all.find((one) => one.name === word) ?? all.find((one) => one.id === word)
  if (exact !== undefined || !/^[0-9a-f]+$/.test(word)) return exact
  const alike = all.filter((one) => one.id.startsWith(word))
  return alike.length === 1 ? alike[0] : undefined
}

/** 64 hexadecimal digits out of a text. */
export function idOf(text: string): string {
  return Array.from({ length: 8 }, (_, n) =>
    hash32(`${n} ${text} ${n}`).toString(16).padStart(8, '0'),
  ).join('')
}

const LEFT = ['sharp', 'peaceful', 'quirky', 'busy', 'kind', 'brave', 'eager', 'happy', 'clever']
const RIGHT = ['hodgkin', 'chandrasekhar', 'hopper', 'lamarr', 'noether', 'curie', 'perlman']

function pick(list: readonly string[], n: number): string {
  return list[n % list.length] as string
}

/** The namespace of a container, as its machine calls it. */
export function netnsOf(container: { readonly name: string }): string {
  return `docker/${container.name}`
}
