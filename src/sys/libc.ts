/**
 * The C library: the only place of this program where foreign functions are bound. Every function
 * answers as the kernel does, a result or `-errno`, because a probe that meets ENETUNREACH is not
 * an error; `socket.ts` and its neighbours throw `SysError` where a failure is one.
 *
 * Buffers stand in for structs: koffi's struct names are global to the process and twice as slow.
 * Layouts are those of 64-bit little-endian Linux (x86-64, arm64, riscv64, loong64).
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'

type Bytes = Uint8Array | null

/** The system calls, each `-errno` on failure. */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number
  bind(fd: number, address: Bytes, length: number): number
  connect(fd: number, address: Bytes, length: number): number
  listen(fd: number, backlog: number): number
  getsockname(fd: number, address: Bytes, length: Bytes): number
  send(fd: number, bytes: Bytes, length: number, flags: number): number
  sendto(
    fd: number,
    bytes: Bytes,
    length: number,
    flags: number,
    address: Bytes,
    addressLength: number,
  ): number
  recv(fd: number, buffer: Bytes, length: number, flags: number): number
  recvmsg(fd: number, header: Bytes, flags: number): number
  setsockopt(fd: number, level: number, name: number, value: Bytes, length: number): number
  getsockopt(fd: number, level: number, name: number, value: Bytes, length: Bytes): number
  close(fd: number): number
  ioctl(fd: number, request: number, argument: Bytes): number
  setns(fd: number, type: number): number
  unshare(flags: number): number
  sched_getaffinity(pid: number, size: number, set: Bytes): number
  sched_setaffinity(pid: number, size: number, set: Bytes): number
  prctl(option: number, first: number, second: Bytes, third: number, fourth: number): number
  mount(
    source: string | null,
    target: string,
    type: string | null,
    flags: number,
    data: Bytes,
  ): number
  umount2(target: string, flags: number): number
  if_nametoindex(name: string): number
  clock_gettime(clock: number, timespec: Bytes): number
  flock(fd: number, operation: number): number
  pipe2(fds: Bytes, flags: number): number
  mkfifo(path: string, mode: number): number
  fsopen(number: number, kind: string, flags: number): number
  fsconfig(
    number: number,
    fd: number,
    command: number,
    key: Bytes,
    value: Bytes,
    auxiliary: number,
  ): number
  fsmount(number: number, fd: number, flags: number, attributes: number): number
}

type Signature = readonly [result: string, args: readonly string[], symbol?: string]

const SIGNATURES: Readonly<Record<keyof Libc, Signature>> = {
  socket: ['int', ['int', 'int', 'int']],
  bind: ['int', ['int', 'void *', 'uint32_t']],
  connect: ['int', ['int', 'void *', 'uint32_t']],
  listen: ['int', ['int', 'int']],
  getsockname: ['int', ['int', 'void *', 'void *']],
  send: ['long', ['int', 'void *', 'size_t', 'int']],
  sendto: ['long', ['int', 'void *', 'size_t', 'int', 'void *', 'uint32_t']],
  recv: ['long', ['int', 'void *', 'size_t', 'int']],
  recvmsg: ['long', ['int', 'void *', 'int']],
  setsockopt: ['int', ['int', 'int', 'int', 'void *', 'uint32_t']],
  getsockopt: ['int', ['int', 'int', 'int', 'void *', 'void *']],
  close: ['int', ['int']],
  ioctl: ['int', ['int', 'unsigned long', 'void *']],
  setns: ['int', ['int', 'int']],
  unshare: ['int', ['int']],
  sched_getaffinity: ['int', ['int', 'size_t', 'void *']],
  sched_setaffinity: ['int', ['int', 'size_t', 'void *']],
  prctl: ['int', ['int', 'unsigned long', 'void *', 'unsigned long', 'unsigned long']],
  mount: ['int', ['const char *', 'const char *', 'const char *', 'unsigned long', 'void *']],
  umount2: ['int', ['const char *', 'int']],
  if_nametoindex: ['uint32_t', ['const char *']],
  clock_gettime: ['int', ['int', 'void *']],
  flock: ['int', ['int', 'int']],
  pipe2: ['int', ['void *', 'int']],
  mkfifo: ['int', ['const char *', 'uint32_t']],
  // By syscall(2): the C library has them since glibc 2.36.
  fsopen: ['long', ['long', 'const char *', 'long'], 'syscall'],
  fsconfig: ['long', ['long', 'long', 'long', 'void *', 'void *', 'long'], 'syscall'],
  fsmount: ['long', ['long', 'long', 'long', 'long'], 'syscall'],
}

interface PollOptions {
  readonly readable?: boolean
  readonly writable?: boolean
}

type PollCallback = (status: number) => void

interface PollHandle {
  start(options: PollOptions, callback: PollCallback): void
  close(): void
}

interface Call {
  (...args: unknown[]): number
  /** In a thread of libuv's pool; the last argument is called back. */
  async(...args: unknown[]): void
}

/** What is used of koffi. */
interface Koffi {
  load(path: null): {
    func(name: string, result: string, args: readonly string[]): Call
  }
  errno(): number
  address(buffer: Uint8Array): bigint
  readonly node: {
    poll(fd: number, options: PollOptions, callback: PollCallback): PollHandle
  }
}

let loaded: Koffi | undefined
/** Those that are called in threads. */
const threaded = new Map<string, Call>()
let bound: Libc | undefined

/** The system calls, bound at first use: whoever never asks (the simulator) never loads koffi. */
export function libc(): Libc {
  bound ??= bindAll(koffi())
  return bound
}

/** koffi refuses more than 256 calls at a time, and throws. */
const CALLS_AT_ONCE = 200
let calling = 0
const waiting: (() => void)[] = []

/**
 * A call in a thread of libuv's pool; when very many are under way it waits for its turn.
 * @returns what it returned, or -1
 */
function inThread(name: 'sendto' | 'close', ...args: readonly unknown[]): Promise<number> {
  const call = threaded.get(name) ?? bindThreaded(name)
  threaded.set(name, call)
  return new Promise((resolve) => {
    const begin = (): void => {
      calling++
      const done = (error: unknown, answer: number): void => {
        calling--
        waiting.shift()?.()
        resolve(error === null || error === undefined ? answer : -1)
      }
      call.async(...args, done)
    }
    if (calling < CALLS_AT_ONCE) begin()
    else waiting.push(begin)
  })
}

function bindThreaded(name: 'sendto' | 'close'): Call {
  const [result, args] = SIGNATURES[name]
  return koffi().load(null).func(name, result, args)
}

/** sendto(2). @returns bytes sent, or -1 */
export const sendInThread = (
  fd: number,
  bytes: Uint8Array,
  address: Uint8Array | null,
): Promise<number> => inThread('sendto', fd, bytes, bytes.length, 0, address, address?.length ?? 0)

/** close(2). @returns 0, or -1 */
export const closeInThread = (fd: number): Promise<number> => inThread('close', fd)

/** koffi itself, for this folder only. */
export function koffi(): Koffi {
  loaded ??= loadKoffi()
  return loaded
}

/**
 * Loads koffi's prebuilt library directly where it lies beside us (2 ms instead of the 7 ms that
 * its JavaScript takes to find the same file), else through the package.
 */
function loadKoffi(): Koffi {
  const require = createRequire(import.meta.url)
  const { platform, arch } = process
  for (const dir of require.resolve.paths('koffi') ?? []) {
    const folder = join(dir, '@koromix', `koffi-${platform}-${arch}`)
    const module = { exports: {} as Partial<Koffi> }
    try {
      process.dlopen(module, join(folder, `${platform}_${arch}`, 'koffi.node'))
    } catch {
      continue
    }
    if (module.exports.node?.poll === undefined) continue
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the right library, just seen
    return module.exports as Koffi
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our subset of its own types
  return require('koffi') as Koffi
}

function bindAll(koffi: Koffi): Libc {
  const library = koffi.load(null)
  const calls: Record<string, (...args: unknown[]) => number> = {}
  for (const [name, [result, args, symbol = name]] of Object.entries(SIGNATURES)) {
    const call = library.func(symbol, result, args)
    calls[name] = (...given) => {
      const answer = call(...given)
      return answer === -1 ? -koffi.errno() : answer
    }
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- SIGNATURES has every key
  return calls as unknown as Libc
}
