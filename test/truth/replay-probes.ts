/** Probe files: build, then every ping from cold tables; reachability, TTLs and ping's own words. */
import { forwardingOnly, plainPing, plainTable, said, sortLines } from './compare.ts'
import { type Kernel, type ProbeFile, type ProbeRow, type Row, type TruthFile } from './rows.ts'
import { frameSentences } from './sentences.ts'
import type { Place, Places } from './world.ts'

/** What a command takes there at least, read off the captures: 0.05 to 1 s come to the same. */
const UML_COMMAND_MS = 200

/**
 * A router forgets after 20 s which redirects it sent. The rows' own words say before which of the
 * series it had: only a fresh one sends three in a row, 0.2 s apart.
 */
const QUIET_MS = 21_000
const QUIET_BEFORE_SERIES: Readonly<Record<Kernel, number>> = { '6.18': 1, 'uml-6.1': 2 }

/** How long a new topology is left alone: duplicate address detection and what follows it. */
const SETTLE_MS = 3000

export async function replayProbes(places: Places, file: TruthFile): Promise<Row[]> {
  const data = file.data as ProbeFile
  const rows: Row[] = []
  for (const kernel of ['6.18', 'uml-6.1'] as const) {
    const mine = data.probes.map((probe, number) => ({ probe, number }))
    const list = mine.filter(({ probe }) => probe.kernel === kernel)
    if (list.length === 0 || !places.speaksFor(kernel)) continue
    const place = await places.open(kernel)
    try {
      rows.push(...(await build(place, file, data, kernel)))
      let series = 0
      for (const { probe, number } of list) {
        if (kernel === 'uml-6.1' && places.kind === 'sim') await place.settle(UML_COMMAND_MS)
        const isSeries = probe.sent !== undefined
        if (isSeries && ++series === QUIET_BEFORE_SERIES[kernel]) await place.settle(QUIET_MS)
        rows.push(...(await one(place, file.name, number, probe)))
      }
      rows.push(...(await after(place, file, data, kernel)))
    } finally {
      await place.close()
    }
  }
  return rows
}

const describe = (p: ProbeRow) => `${p.from} -> ${p.to} ${p.to_name ?? ''}`.trim()

/** Runs the build list: what failed when it was measured has to fail here with the same text. */
async function build(
  place: Place,
  file: TruthFile,
  data: ProbeFile,
  kernel: Kernel,
): Promise<Row[]> {
  const expected = new Map(data.build_errors?.[kernel]?.map((e) => [e.cmd, e]))
  const rows: Row[] = []
  for (const [number, line] of data.build.entries()) {
    const out = await place.run(line)
    const want = expected.get(line)
    // The list runs one command twice when it failed: only a failure speaks.
    if (out.code === 0 && want === undefined) continue
    rows.push({
      file: file.name,
      number,
      aspect: 'refused',
      kernel,
      verdict: want?.rc === out.code && want.err === said(out) ? 'agree' : 'differ',
      what: line,
      expected: want === undefined ? '0' : `${want.rc} ${want.err ?? ''}`,
      got: `${out.code} ${said(out)}`,
    })
  }
  await place.settle(SETTLE_MS)
  return rows
}

async function one(place: Place, file: string, number: number, probe: ProbeRow): Promise<Row[]> {
  if (probe.warm !== true) await place.flush()
  for (const line of probe.pre ?? []) await place.run(line)
  const out = await place.run(`ip netns exec ${probe.from} ping ${pingWords(probe)}`)
  const ttls = [...out.stdout.matchAll(/ttl=(\d+)/g)].map((m) => Number(m[1]))
  const words = [...out.stdout.split('\n'), ...out.stderr.split('\n')]
    .filter((l) => l.startsWith('From ') || l.startsWith('ping: '))
    .map((l) => l.trim())
  const got = figures(out.code === 0, ttls, probe)
  const want = figures(probe.ok, probe.ttls ?? (probe.ttl === undefined ? [] : [probe.ttl]), probe)
  const base = { file, number, kernel: probe.kernel, what: describe(probe) }
  const rows: Row[] = [
    {
      ...base,
      aspect: 'probe',
      verdict: got === want ? 'agree' : 'differ',
      expected: want,
      got: got === want ? got : `${got} ${said(out).split('\n').slice(1, 3).join(' / ')}`,
    },
  ]
  const expectedWords = probe.msg ?? []
  const isRedirected = [...words, ...expectedWords].some((w) => w.includes('Redirect'))
  if (isRedirected && probe.kernel !== '6.18' && place.session.fabric.kind === 'kernel') {
    const why = 'redirects hang on how fast the emulated machine is just now'
    rows.push({ ...base, aspect: 'text', verdict: 'not-run', why })
  } else if (expectedWords.length > 0 || words.length > 0) {
    const text = words.slice(0, Math.max(1, expectedWords.length)).join(' | ')
    const wanted = expectedWords.join(' | ')
    const verdict = text === wanted ? 'agree' : 'differ'
    rows.push({ ...base, aspect: 'text', verdict, expected: wanted, got: text })
  }
  return rows
}

/**
 * The options are not in the rows but follow from them: one packet and a second of patience; where
 * the answer was an unreachable, which takes three tries of ARP, as long as that needs; several
 * packets 0.2 s apart where several TTLs were noted.
 */
function pingWords(probe: ProbeRow): string {
  const patient = probe.msg?.some((m) => /Host Unreachable|Address unreachable/.test(m)) === true
  const count = probe.sent === undefined ? '-c1' : `-c${probe.sent} -i 0.2`
  return `${count} -W${patient ? 5 : 1} ${probe.ping_args ?? ''} ${probe.to}`
}

function figures(ok: boolean, ttls: readonly number[], probe: ProbeRow): string {
  if (!ok) return 'no answer'
  const list = probe.ttls === undefined ? ttls.slice(0, 1) : ttls
  return `ttl ${list.join(' ')}`
}

function tidy(cmd: string, text: string): string {
  // What was learned at the end hangs on IPv6 chatter at random times; the frame files check learning.
  if (cmd.includes('fdb')) {
    return forwardingOnly(text)
      .split('\n')
      .filter((l) => / (permanent|static)$/.test(l))
      // A bridge takes the lowest MAC of its ports, and an entry of its own where that port is not
      // in the VLAN: with MACs drawn at random that is chance.
      .filter((l) => !l.startsWith('MAC dev krnbr vlan'))
      .join('\n')
  }
  return cmd.includes('route') ? sortLines(text) : text
}

/** `tcpdump` in the background while something is pinged. */
const CAPTURE =
  /ip netns exec (\S+) timeout \d+ tcpdump -n -i (\S+) -c (\d+) icmp .*& sleep \d+; (.*) >\/dev\/null; wait/

/** The frames the tool saw, in its words, without its clock and the pings' numbers. */
async function captured(
  place: Place,
  [, netns = '', link = '', count, command = '']: RegExpExecArray,
  out: string,
): Promise<Pick<Row, 'verdict' | 'expected' | 'got'>> {
  const seen = await frameSentences(place, { netns, link }, () => place.run(command))
  const plain = (text: string) => text.replace(/^[\d:.]+ /, '').replace(/ id \d+/, ' id N')
  const expected = out.split('\n').map(plain).join('\n')
  const icmp = seen.filter((line) => line.includes('ICMP')).slice(0, Number(count))
  const got = icmp.map(plain).join('\n')
  return { verdict: expected === got ? 'agree' : 'differ', expected, got }
}

/** What the tools showed when the probes were over. */
async function after(
  place: Place,
  file: TruthFile,
  data: ProbeFile,
  kernel: Kernel,
): Promise<Row[]> {
  const chosen = JSON.stringify(data.build)
  const rows: Row[] = []
  for (const [number, post] of (data.post?.[kernel] ?? []).entries()) {
    const base = { file: file.name, number, aspect: 'after' as const, kernel, what: post.cmd }
    const capture = CAPTURE.exec(post.cmd)
    if (capture !== null) {
      rows.push({ ...base, ...(await captured(place, capture, post.out ?? '')) })
      continue
    }
    if (post.cmd.includes('nf_conntrack')) {
      rows.push({ ...base, verdict: 'not-run', why: 'connections are not in a snapshot' })
      continue
    }
    if (/ip (-n \S+ )?neigh/.test(post.cmd) && place.session.fabric.kind === 'kernel') {
      rows.push({ ...base, verdict: 'not-run', why: 'depends on real seconds between the probes' })
      continue
    }
    if (post.out?.includes('<redirected>') === true) {
      rows.push({ ...base, verdict: 'not-run', why: 'what a redirect taught is not in a snapshot' })
      continue
    }
    const out = await place.run(post.cmd)
    const expected = tidy(post.cmd, plainTable(plainPing(post.out ?? ''), chosen))
    const got = tidy(post.cmd, plainTable(plainPing(said(out)), chosen))
    const verdict = expected === got && post.rc === out.code ? 'agree' : 'differ'
    rows.push({ ...base, verdict, expected: `${post.rc} ${expected}`, got: `${out.code} ${got}` })
  }
  return rows
}
