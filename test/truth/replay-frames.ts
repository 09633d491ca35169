/** Frame files: one frame in, which devices' stacks got it and as what. */
import type { CapturedFrame, Closer, FramePort } from '../../src/fabric/fabric.ts'
import { parseMac } from '../../src/addr/mac.ts'
import { ipvlanTopology } from './ipvlan-frames.ts'
import { forwardingOnly, plainTable, said } from './compare.ts'
import { type FrameFile, type FrameTest, type Row, type TruthFile } from './rows.ts'
import type { Place, Places } from './world.ts'

/** A type nobody speaks: local experimental EtherType 1 (IEEE 802). */
const EXPERIMENT = 0x88b5
/** How often a frame is sent again that did not get into a queue, 50 ms apart. */
const SEND_TRIES = 5
/** Number 2: nothing of it is ever sent. */
const SENDER = 0x88b6

interface Topology {
  readonly build: readonly string[]
  /** Device to namespace. */
  readonly homes: ReadonlyMap<string, string>
  /** What is listened for; undefined listens for everything. */
  readonly types: readonly (number | undefined)[]
  readonly frameOf: (test: FrameTest, number: number) => Uint8Array
  readonly isOurs: (bytes: Uint8Array, test: FrameTest, number: number) => boolean
}

export async function replayFrames(places: Places, file: TruthFile): Promise<Row[]> {
  const data = file.data as FrameFile
  const topology = topologyOf(data)
  const rows: Row[] = []
  for (const kernel of data.kernels) {
    if (!places.speaksFor(kernel)) continue
    const place = await places.open(kernel)
    try {
      for (const line of topology.build) await mustRun(place, line)
      // A spanning tree on its way to forwarding is what its file looks at.
      if (data.bridge_opts?.includes('stp_state') !== true) await place.standStill()
      rows.push(...(await inject(place, file, data, topology, kernel)))
      // Read once, on the first of the kernels.
      if (data.fdb_after !== undefined && kernel === data.kernels[0]) rows.push(await forwarding(place, file, data, topology.build, kernel))
    } finally {
      await place.close()
    }
  }
  return rows
}

const describe = ({ inject: i }: FrameTest) =>
  `${i.dev} ${i.as ?? i.src} -> ${i.dst_name ?? i.dst}${i.tag === undefined ? '' : ` tag ${i.tag}`}`

async function mustRun(place: Place, line: string): Promise<void> {
  const out = await place.run(line)
  if (out.code !== 0) throw new Error(`${line}: ${said(out)}`)
}

/** The topology a file speaks of in a sentence, as the commands that make it. */
function topologyOf(data: FrameFile): Topology {
  if (data.name.startsWith('frames-ipvlan-')) return ipvlanTopology(data.name)
  const types = [data.name.startsWith('taps') ? undefined : EXPERIMENT]
  const lines =
    data.topology?.startsWith('bridge') === true
      ? bridgeTopology(data)
      : macvlanTopology(data, data.macs ?? MACVLAN_MACS[data.name] ?? {})
  return { ...lines, types, frameOf, isOurs: (bytes, _test, number) => isOurs(bytes, number) }
}

type Lines = Pick<Topology, 'build' | 'homes'>

const quiet = (netns: string, dev: string) =>
  `ip netns exec ${netns} sysctl -qw net.ipv6.conf.${dev}.disable_ipv6=1`

/** A bridge krnbr in krnsw with ports krnp1..4, and behind each a host's krne1..4 in krnk. */
function bridgeTopology(data: FrameFile): Lines {
  const build = [
    'ip netns add krnsw',
    'ip netns add krnk',
    `ip -n krnsw link add krnbr address 02:00:00:00:0e:00 type bridge ${data.bridge_opts ?? ''}`,
    quiet('krnsw', 'krnbr'),
  ]
  const homes = new Map([['krnbr', 'krnsw']])
  for (const n of [1, 2, 3, 4]) {
    build.push(
      `ip -n krnsw link add krnp${n} address 02:00:00:00:0e:0${n} type veth peer name krne${n} netns krnk`,
      `ip -n krnk link set krne${n} address 02:00:00:00:0f:0${n}`,
      quiet('krnsw', `krnp${n}`),
      quiet('krnk', `krne${n}`),
      `ip -n krnsw link set krnp${n} master krnbr`,
      `ip -n krnsw link set krnp${n} up`,
      `ip -n krnk link set krne${n} up`,
    )
    homes.set(`krnp${n}`, 'krnsw').set(`krne${n}`, 'krnk')
  }
  build.push('ip -n krnsw link set krnbr up', ...(data.setup ?? []))
  return { build, homes }
}

const CHILDREN = {
  krnb1: { mac: '02:00:00:00:0a:01', mode: 'bridge' },
  krnb2: { mac: '02:00:00:00:0a:02', mode: 'bridge' },
  krnpar: { mac: '02:00:00:00:0b:01' },
}

/** Files that name their children only in the frames they inject. */
const MACVLAN_MACS: Readonly<Record<string, NonNullable<FrameFile['macs']>>> = {
  'bcq-default': withQueue('bridge bcqueuelen 1000', 'bridge bcqueuelen 1000'),
  'bcq-0': withQueue('bridge bcqueuelen 0', 'bridge bcqueuelen 0'),
  'bcq-0-one': withQueue('bridge bcqueuelen 0', 'bridge bcqueuelen 1000'),
  'taps-macvlan': {
    ...CHILDREN,
    krnv1: { mac: '02:00:00:00:0a:03', mode: 'vepa' },
    krnp1: { mac: '02:00:00:00:0a:05', mode: 'private' },
  },
}

function withQueue(first: string, second: string): NonNullable<FrameFile['macs']> {
  return {
    ...CHILDREN,
    krnb1: { ...CHILDREN.krnb1, mode: first },
    krnb2: { ...CHILDREN.krnb2, mode: second },
  }
}

/** krnwire in krnw, a cable to krnpar in krnh, and children of krnpar in krnk. */
function macvlanTopology(data: FrameFile, macs: NonNullable<FrameFile['macs']>): Lines {
  const build = [
    'ip netns add krnw',
    'ip netns add krnh',
    'ip netns add krnk',
    `ip -n krnh link add krnpar address ${macs['krnpar']?.mac ?? ''} type veth peer name krnwire netns krnw`,
    quiet('krnw', 'krnwire'),
    quiet('krnh', 'krnpar'),
    'ip -n krnw link set krnwire up',
    'ip -n krnh link set krnpar up',
  ]
  const homes = new Map([
    ['krnwire', 'krnw'],
    ['krnpar', 'krnh'],
  ])
  for (const [name, { mac, mode }] of Object.entries(macs)) {
    if (mode === undefined) continue
    build.push(
      `ip -n krnh link add link krnpar name ${name} address ${mac} netns krnk type macvlan mode ${mode}`,
      quiet('krnk', name),
      `ip -n krnk link set ${name} up`,
    )
    homes.set(name, 'krnk')
  }
  build.push(...(data.extra ?? []))
  return { build, homes }
}

interface Seen {
  readonly dev: string
  readonly type: string
}

async function inject(
  place: Place,
  file: TruthFile,
  data: FrameFile,
  topology: Topology,
  kernel: Row['kernel'],
): Promise<Row[]> {
  const { fabric } = place.session
  let seen: Seen[] = []
  let current = 0
  const ports = new Map<string, FramePort>()
  const closers: Closer[] = []
  for (const [dev, netns] of topology.homes) {
    for (const etherType of topology.types) {
      const take = ({ bytes, type }: CapturedFrame): void => {
        const test = data.tests[current]
        if (test === undefined || !topology.isOurs(bytes, test, current)) return
        seen.push({ dev, type: type.toUpperCase() })
      }
      const options = etherType === undefined ? {} : { etherType }
      closers.push(await fabric.openPort(netns, dev, take, options))
    }
    // A socket does not see what it sends itself (skb_loop_sk): frames leave through another.
    const sender = await fabric.openPort(netns, dev, () => undefined, { etherType: SENDER })
    ports.set(dev, sender)
    closers.push(sender)
  }
  const rows: Row[] = []
  for (const [number, test] of data.tests.entries()) {
    for (const line of test.pre ?? []) await place.run(line)
    seen = []
    current = number
    try {
      // From a socket of its own: one does not see what it sends itself.
      const { dev } = test.inject
      const sender = await fabric.openPort(topology.homes.get(dev) ?? '', dev, () => undefined, {
        etherType: EXPERIMENT,
      })
      closers.push(sender)
      await sendPatiently(place, sender, topology.frameOf(test, number))
    } catch (error) {
      // A refused send is one of the measured answers; that nobody got the frame is compared.
      if ('delivered' in test && Array.isArray(test.delivered)) throw error
    }
    const wanted = 'error' in test.delivered ? [] : test.delivered
    const expected = list(wanted)
    const got = () => list(fabric.kind === 'kernel' ? withoutLeaks(test, wanted, seen) : seen)
    await place.settle(fabric.kind === 'sim' ? 5 : 60)
    // A busy machine delivers late.
    for (let n = 0; n < 10 && fabric.kind === 'kernel' && got() !== expected; n++) {
      await place.settle(50)
    }
    const verdict = expected === got() ? 'agree' : 'differ'
    const what = describe(test)
    const row = { file: file.name, number, aspect: 'frame' as const, kernel, what }
    rows.push({ ...row, verdict, expected, got: got() })
  }
  for (const closer of closers) closer.close()
  return rows
}

/**
 * ENOBUFS: a busy guest's queue may be full, and empties when the guest gets to run; or the device
 * dropped the frame, which is an answer: then nobody gets it.
 */
async function sendPatiently(place: Place, sender: FramePort, bytes: Uint8Array): Promise<void> {
  for (let tries = 0; tries < SEND_TRIES; tries++) {
    try {
      sender.send(bytes)
      return
    } catch (error) {
      if (!(error instanceof Error && error.message.includes('ENOBUFS'))) throw error
      await place.settle(50)
    }
  }
}

/**
 * A group that a macvlan child did not join can leak to a macvlan child: its filter is a hash of 256 bits salted anew
 * for every port (drivers/net/macvlan.c mc_hash), so on a kernel only its presence says something.
 */
function withoutLeaks(test: FrameTest, wanted: readonly Seen[], seen: readonly Seen[]): Seen[] {
  if (!/^(MCAST_|LLDP)/.test(test.inject.dst_name ?? '')) return [...seen]
  return seen.filter((s) => s.type !== 'MULTICAST' || wanted.some((w) => w.dev === s.dev))
}

const list = (seen: readonly Seen[]): string =>
  seen
    .map((s) => `${s.dev} ${s.type}`)
    .sort()
    .join(', ')

/** Whether it is the frame of this test: its number stands in the payload. */
function isOurs(bytes: Uint8Array, number: number): boolean {
  const word = (at: number) => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
  const at = word(12) === 0x8100 ? 16 : 12
  return word(at) === EXPERIMENT && word(at + 2) === number
}

function frameOf({ inject: i }: FrameTest, number: number): Uint8Array {
  const tag = i.tag === undefined ? [] : [0x81, 0x00, i.tag >> 8, i.tag & 0xff]
  const bytes = new Uint8Array(60 + tag.length)
  const payload = [EXPERIMENT >> 8, EXPERIMENT & 0xff, number >> 8, number & 0xff]
  bytes.set([...macBytes(i.dst), ...macBytes(i.src), ...tag, ...payload])
  return bytes
}

function macBytes(text: string): number[] {
  const mac = parseMac(text)
  return [40, 32, 24, 16, 8, 0].map((shift) => Math.floor(mac / 2 ** shift) & 0xff)
}

/** The forwarding table when all frames were through. */
async function forwarding(
  place: Place,
  file: TruthFile,
  data: FrameFile,
  build: readonly string[],
  kernel: Row['kernel'],
): Promise<Row> {
  const what = 'bridge -n krnsw fdb show br krnbr'
  const out = await place.run(what)
  const chosen = JSON.stringify([build, data.tests])
  const plain = (text: string) => forwardingOnly(plainTable(text, chosen))
  const expected = plain((data.fdb_after ?? []).join('\n'))
  const got = plain(said(out))
  const verdict = expected === got ? 'agree' : 'differ'
  return { file: file.name, number: 0, aspect: 'after', kernel, verdict, what, expected, got }
}
