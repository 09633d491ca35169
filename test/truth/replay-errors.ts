/** errors.json: what the kernel refuses, with which errno, and what the tool says of it. */
import { plainTable, said, withoutOperState } from './compare.ts'
import { type ErrorRow, type Row, type TruthFile } from './rows.ts'
import type { Place, Places } from './world.ts'

export async function replayErrors(places: Places, file: TruthFile): Promise<Row[]> {
  const rows: Row[] = []
  for (const [number, row] of (file.data as ErrorRow[]).entries()) {
    if (!places.speaksFor(row.kernel)) continue
    rows.push(...(await one(places, file.name, number, row)))
  }
  return rows
}

async function one(places: Places, file: string, number: number, row: ErrorRow): Promise<Row[]> {
  const base = { file, number, kernel: row.kernel, what: `${row.title}: ${row.cmd}` }
  const why = missingPart(row)
  if (why !== undefined) return [{ ...base, aspect: 'refused', verdict: 'not-run', why }]
  const place = await places.open(row.kernel)
  try {
    for (const line of row.setup) await place.run(line)
    await place.standStill()
    if (places.kind === 'kernel' && (await hasTunMeanwhile(place, row)))
      return [{ ...base, aspect: 'refused', verdict: 'not-run', why: 'this kernel has tun by now' }]
    const chosen = JSON.stringify([row.setup, row.cmd])
    place.lastErrno = undefined
    const out = await place.run(row.cmd)
    const early = row.kernel === '6.18' ? (t: string) => t : withoutOperState
    const plain = (text: string) => early(plainTable(cut(text), chosen))
    const errno = place.lastErrno ?? ''
    // Where the tool itself refused, no request was made: its own errno says nothing.
    const told = errno === '' || row.rc === 0 || row.cmd.includes('brctl') ? '' : ` ${row.errno}`
    const expected = `${row.rc}${told} ${plain(row.text)}`
    const got = `${out.code}${told === '' ? '' : ` ${errno}`} ${plain(said(out))}`
    const verdict = expected === got ? 'agree' : 'differ'
    const rows: Row[] = [{ ...base, aspect: 'refused', verdict, expected, got }]
    if (row.after !== undefined) {
      // What follows by itself (a carrier) comes late in a busy guest.
      await place.standStill()
      const then = await place.run(row.after.cmd)
      const want = plain(row.after.out)
      const have = plain(said(then))
      rows.push({
        ...base,
        what: `${row.title}: ${row.after.cmd}`,
        aspect: 'after',
        verdict: want === have ? 'agree' : 'differ',
        expected: want,
        got: have,
      })
    }
    return rows
  } finally {
    await place.close()
  }
}

/** Some rows say what happens where the tun module is missing, as it was when they were read. */
async function hasTunMeanwhile(place: Place, row: ErrorRow): Promise<boolean> {
  const device = /Cannot find device "(krnt(?:un|ap))"/.exec(row.text)?.[1]
  if (device === undefined) return false
  return (await place.run(`ip -n krnh link show dev ${device}`)).code === 0
}

function missingPart(row: ErrorRow): string | undefined {
  // Refused on a kernel without VLAN filtering: the answer is the point, the rest is not needed.
  if (row.kernel === '6.18' && row.title === 'vlan_filtering on') return undefined
  if (row.kernel === '6.18' && row.group === 'native-absent') return undefined
  if (/^bridge .*fdb show dev krnpar/.test(row.cmd)) return 'what a device listens to is not in a snapshot'
  return undefined
}

/** Rows keep the first 700 characters or so of long outputs. */
const cut = (text: string) => text.replace(/ mcast_query_use_ifaddr[\s\S]*$/, '').replace(/ mcast_query$/, '')
