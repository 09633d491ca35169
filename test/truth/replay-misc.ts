/** misc-ip, misc-icmp-ratelimit and the seed's transcript: lists of commands with what they said. */
import { plainPing, plainTable, said, sortLines } from './compare.ts'
import type { Kernel, Row, TruthFile } from './rows.ts'
import { frameSentences } from './sentences.ts'
import { buildTopology } from './topologies.ts'
import type { Place, Places } from './world.ts'

interface ListRow {
  readonly cmd?: string
  readonly note?: string
  readonly rc?: number
  readonly out?: string
  readonly err?: string
  readonly kernel: Kernel
  readonly error_seqs?: readonly number[]
  readonly summary?: string
  readonly winners?: Readonly<Record<string, number>>
}

/** ICMP error rates: each row in a topology of its own, "fresh". */
export async function replayRateLimits(places: Places, file: TruthFile): Promise<Row[]> {
  const rows: Row[] = []
  for (const [number, row] of (file.data as ListRow[]).entries()) {
    if (!places.speaksFor(row.kernel)) continue
    const base = rowBase(file, number, row)
    const place = await places.open(row.kernel)
    try {
      await buildTopology(place, 'router')
      await place.flush()
      if (/REJECT/.test(row.note ?? '')) {
        await place.run('ip netns exec krnr iptables -A FORWARD -j REJECT')
      }
      if (/prohibit route/.test(row.note ?? '')) {
        await place.run('ip -n krnr route add prohibit 10.3.0.0/16')
      }
      const out = await place.run(row.cmd ?? '')
      const seqs = [...out.stdout.matchAll(/^From .* icmp_seq=(\d+)/gm)].map((m) => Number(m[1]))
      const summary = /^.* packets transmitted.*$/m.exec(out.stdout)?.[0] ?? ''
      const expected = `${row.error_seqs?.join(' ')} ${plainPing(row.summary ?? '')}`
      const got = `${seqs.join(' ')} ${plainPing(summary)}`
      rows.push({ ...base, verdict: expected === got ? 'agree' : 'differ', expected, got })
    } finally {
      await place.close()
    }
  }
  return rows
}

function rowBase(file: TruthFile, number: number, row: ListRow) {
  const what = `${row.note ?? ''} ${row.cmd ?? ''}`.trim()
  return { file: file.name, number, aspect: 'text' as const, kernel: row.kernel, what }
}

/** What was done between the rows of misc-ip, by their notes. */
const BETWEEN: readonly (readonly [RegExp, readonly string[]])[] = [
  [/egress link down/, ['ip -n krnr link set krnp2 down']],
  [/egress no carrier/, ['ip -n krnr link set krnp2 up', 'ip -n krnh2 link set krneth0 down', 'sleep 7']],
  [
    /ignore_routes_with_linkdown=1/,
    ['ip netns exec krnr sysctl -qw net.ipv4.conf.krnp2.ignore_routes_with_linkdown=1', 'sleep 7'],
  ],
]

export async function replayMiscIp(places: Places, file: TruthFile): Promise<Row[]> {
  const list = (file.data as ListRow[]).map((row, number) => ({ row, number }))
  const mine = list.filter(({ row }) => places.speaksFor(row.kernel))
  const rows: Row[] = []
  const place = await places.open('6.18')
  try {
    await buildTopology(place, 'router')
    await place.flush()
    for (const { row, number } of mine) {
      if (row.cmd === undefined || row.cmd.includes('krnz')) continue
      rows.push(await miscRow(place, file, number, row))
    }
  } finally {
    await place.close()
  }
  for (const { row, number } of mine) {
    if (row.winners !== undefined) rows.push(await winners(places, file, number, row))
    else if (row.cmd === undefined) {
      rows.push(await arpSeen(places, file, number, row))
    } else if (row.cmd.includes('krnz')) rows.push(await newNetns(places, file, number, row))
  }
  return rows.sort((a, b) => a.number - b.number)
}

async function miscRow(place: Place, file: TruthFile, number: number, row: ListRow): Promise<Row> {
  const base = rowBase(file, number, row)
  const cmd = row.cmd ?? ''
  if (/ -R /.test(cmd)) {
    // Two packets a second apart: the rows after it find as many tokens of ICMP errors as then.
    await place.settle(1000)
    return { ...base, verdict: 'not-run', why: 'options of IPv4 (record route) in frames' }
  }
  for (const [note, lines] of BETWEEN) {
    if (!note.test(row.note ?? '')) continue
    for (const line of lines) await place.run(line)
  }
  const out = await place.run(cmd)
  // Tokens left of the rows before: 1 or 2, the same kernel gives both.
  const plain = (text: string) =>
    cmd.includes('-c 30') ? plainPing(text).replace(/\+[12] errors/, '+1..2 errors') : plainPing(text)
  const expected = `${row.rc} ${plain(`${row.out ?? ''}${row.err ?? ''}`)}`
  const got = `${out.code} ${plain(`${out.stdout}${out.stderr}`)}`
  return { ...base, verdict: expected === got ? 'agree' : 'differ', expected, got }
}

/** Two children with one address: whose MAC the neighbour keeps in twenty cold tries. */
async function winners(places: Places, file: TruthFile, number: number, row: ListRow): Promise<Row> {
  const place = await places.open(row.kernel)
  const count: Record<string, number> = {}
  try {
    await buildTopology(place, 'duplicate')
    for (let n = 0; n < 20; n++) {
      await place.flush()
      await place.run('ip netns exec krnx ping -c1 -W1 10.9.0.11')
      const neighbour = await place.run('ip -n krnx neigh show 10.9.0.11')
      const mac = /lladdr (\S+)/.exec(neighbour.stdout)?.[1] ?? 'none'
      count[mac] = (count[mac] ?? 0) + 1
      await place.settle(1100)
    }
  } finally {
    await place.close()
  }
  // Which of the two is heard first is the machine's affair; that one always wins is the rule.
  const tally = (c: Readonly<Record<string, number>>) => Object.values(c).join(' ')
  const expected = tally(row.winners ?? {})
  const got = tally(count)
  const verdict = expected === got ? 'agree' : 'differ'
  return { ...rowBase(file, number, row), verdict, expected, got }
}

/** What the LAN host sees when it asks for the address two children have, first asked first. */
async function arpSeen(places: Places, file: TruthFile, number: number, row: ListRow): Promise<Row> {
  const place = await places.open(row.kernel)
  try {
    await buildTopology(place, 'duplicate')
    await place.flush()
    const seen = await frameSentences(place, { netns: 'krnx', link: 'krneth0' }, () =>
      place.run('ip netns exec krnx ping -c1 -W1 10.9.0.11'),
    )
    // Which of the two answers first is the machine's affair.
    const plain = (lines: readonly string[]) =>
      sortLines(lines.map((line) => line.replace(/^[\d:.]+ /, '')).join('\n').trim())
    const expected = plain((row.out ?? '').split('\n'))
    const got = plain(seen.filter((line) => /^ARP.* 10\.9\.0\.11 /.test(line)))
    const verdict = expected === got ? 'agree' : 'differ'
    return { ...rowBase(file, number, row), verdict, expected, got }
  } finally {
    await place.close()
  }
}

/** A new namespace inherits the IPv4 settings of the first one. */
async function newNetns(places: Places, file: TruthFile, number: number, row: ListRow): Promise<Row> {
  const base = rowBase(file, number, row)
  if (places.kind === 'kernel') {
    return { ...base, verdict: 'not-run', why: "would change the machine's own ip_forward" }
  }
  const place = await places.open(row.kernel)
  try {
    await place.run('sysctl -qw net.ipv4.ip_forward=1')
    await place.run('ip netns add krnz')
    const keep = (text: string) => text.split('\n').filter((l) => !l.includes('ping_group_range')).join('\n').trim()
    const out = await place.run((row.cmd ?? '').replace(' net.ipv4.ping_group_range', ''))
    const expected = `${row.rc} ${keep(row.out ?? '')}`
    const got = `${out.code} ${keep(said(out))}`
    return { ...base, verdict: expected === got ? 'agree' : 'differ', expected, got }
  } finally {
    await place.close()
  }
}

/** seed-transcripts.json: the whole of seed 001, with lo down and again with lo up. */
export async function replayTranscript(places: Places, file: TruthFile): Promise<Row[]> {
  const rows: Row[] = []
  const list = file.data as ListRow[]
  const place = await places.open('6.18')
  const firstUp = list.findIndex((r) => r.note?.endsWith('lo up'))
  const second = list.findLastIndex(
    (r, i) => i < firstUp && /name enp0s5\.101 type macvlan/.test(r.cmd ?? ''),
  )
  const renamed = list.findIndex((r) => r.cmd?.includes('link set enp0s5 name enp0s8') === true)
  try {
    await buildTopology(place, 'seed')
    for (const [number, row] of list.entries()) {
      if (number === second) await runAll(place, ['krnns1', 'krnns2'].map((n) => `ip -n ${n} link set lo up`))
      if (number === renamed) {
        await runAll(place, ['ip -n krnhost link set enp0s5 down', 'ip -n krnhost link set enp0s5 name enp0s8', 'ip -n krnhost link set enp0s8 up'])
      }
      // A person types no faster: addresses are past duplicate detection before they are shown.
      if (/ ip a$|ping/.test(row.cmd ?? '')) await place.settle(2500)
      if (/ping/.test(row.cmd ?? '')) await place.flush()
      rows.push(await transcriptRow(place, file, number, row))
    }
  } finally {
    await place.close()
  }
  return rows
}

async function runAll(place: Place, lines: readonly string[]): Promise<void> {
  for (const line of lines) await place.run(line)
}

async function transcriptRow(
  place: Place,
  file: TruthFile,
  number: number,
  row: ListRow,
): Promise<Row> {
  const out = await place.run(row.cmd ?? '')
  const text = `${row.out ?? ''}\n${row.err ?? ''}`
  const plain = (t: string) => plainTable(plainPing(t), 'none')
  const expected = `${row.rc} ${plain(text)}`
  const got = `${out.code} ${plain(`${out.stdout}\n${out.stderr}`)}`
  const verdict = expected === got ? 'agree' : 'differ'
  return { ...rowBase(file, number, row), verdict, expected, got }
}
