/** ping-messages.json: every line iputils and busybox print, by cause of failure. */
import { plainPing } from './compare.ts'
import type { Kernel, Row, TruthFile } from './rows.ts'
import { buildTopology, type TopologyName } from './topologies.ts'
import { forEach, type Places } from './world.ts'

interface MessageRow {
  readonly cause: string
  readonly cmd: string
  readonly kernel: Kernel
  readonly rc: number
  readonly stdout: string
  readonly stderr: string
}

/** What was done before each cause, in a topology built anew; the first that fits counts. */
const CAUSES: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^fragmentation needed/, ['ip -n krnr link set krnp2 mtu 1300']],
  [
    /^larger than the own MTU/,
    [
      'ip -n krnr link set krnp2 mtu 1300',
      'ip netns exec krnh1 ping -c1 -W1 -M do -s 1400 10.2.0.2',
    ],
  ],
  [/^REJECT host prohibited/, [reject('icmp-host-prohibited')]],
  [/^REJECT admin prohibited/, [reject('icmp-admin-prohibited')]],
  [/^REJECT/, [reject('icmp-port-unreachable')]],
  [/^DROP/, ['ip netns exec krnr iptables -A FORWARD -j DROP']],
  [/^local OUTPUT DROP/, ['ip netns exec krnh1 iptables -A OUTPUT -d 10.2.0.2 -j DROP']],
  [/^local OUTPUT REJECT/, ['ip netns exec krnh1 iptables -A OUTPUT -d 10.2.0.2 -j REJECT']],
  [/^local unreachable route/, ['ip -n krnh1 route add unreachable 10.60.0.0/16']],
  [/^local blackhole route/, ['ip -n krnh1 route add blackhole 10.61.0.0/16']],
  [/^local prohibit route/, ['ip -n krnh1 route add prohibit 10.62.0.0/16']],
  [/^no route/, ['ip -n krnh1 route del default']],
  [/^gateway does not answer/, ['ip -n krnh1 route replace default via 10.1.0.99']],
  [/^own link down/, ['ip -n krnh1 link set krneth0 down']],
  [/^no carrier/, ['ip -n krnr link set krnp1 down', 'sleep 0.2']],
  [/with lo down/, ['ip -n krnh1 link set lo down']],
  [/^v6 no route/, ['ip -n krnc1 -6 route del default']],
]

function reject(answer: string): string {
  return `ip netns exec krnr iptables -A FORWARD -j REJECT --reject-with ${answer}`
}

export async function replayMessages(places: Places, file: TruthFile): Promise<Row[]> {
  const rows: Row[] = []
  await forEach(places, file.data as MessageRow[], async (row, number) => {
    if (places.speaksFor(row.kernel)) rows.push(await one(places, file.name, number, row))
  })
  return rows.sort((a, b) => a.number - b.number)
}

async function one(
  places: Places,
  file: string,
  number: number,
  row: MessageRow,
): Promise<Row> {
  const what = `${row.cause}: ${row.cmd}`
  const base = { file, number, aspect: 'text' as const, kernel: row.kernel, what }
  const why = whyNot(row)
  if (why !== undefined) return { ...base, verdict: 'not-run', why }
  const place = await places.open(row.kernel)
  try {
    const lan = /krnc1|10\.9\.0/.test(row.cmd)
    await buildTopology(place, (lan ? 'lan' : 'router') satisfies TopologyName)
    await place.flush()
    for (const [cause, lines] of CAUSES) {
      if (!cause.test(row.cause)) continue
      for (const line of lines) await place.run(line)
      break
    }
    const out = await place.run(row.cmd)
    const expected = `${row.rc} ${plainPing(row.stdout)} ${plainPing(row.stderr)}`.trim()
    const got = `${out.code} ${plainPing(out.stdout)} ${plainPing(out.stderr)}`.trim()
    return { ...base, verdict: expected === got ? 'agree' : 'differ', expected, got }
  } finally {
    await place.close()
  }
}

function whyNot(row: MessageRow): string | undefined {
  if (/ wget /.test(row.cmd)) return 'busybox wget crashed when it was measured, as it does today'
  return /neighbour table/.test(row.cause) ? 'the sum of all rows before it' : undefined
}
