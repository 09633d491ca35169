/** `iptables-save`, `ip6tables-save` and `nft list ruleset`: everything there is at once. */
import type { FilterTable } from '../../fabric/filter.ts'
import { printNft } from '../print/nft.ts'
import { printSave } from '../print/iptables.ts'
import { type Command, done, failed } from '../session.ts'

/** 2000-01-01, where virtual time begins for who asks for a date. */
const EPOCH_DAYS = 10_957
const DAYS = ['Thu', 'Fri', 'Sat', 'Sun', 'Mon', 'Tue', 'Wed'] as const
const NS_PER_SECOND = 1e9

/** @param family 4 for `iptables-save`, 6 for `ip6tables-save` */
export function iptablesSaveCommand(family: 4 | 6): Command {
  const tool = family === 4 ? 'iptables-save' : 'ip6tables-save'
  return async (session, words) => {
    let table: FilterTable | undefined
    let counters = false
    for (let at = 0; at < words.length; at++) {
      const word = words[at] as string
      const next = words[at + 1]
      if (word === '-c' || word === '--counters') counters = true
      else if ((word === '-t' || word === '--table') && (next === 'filter' || next === 'nat')) {
        table = next
        at++
      } else return failed(1, `${tool}: unrecognized option '${word}'\n`)
    }
    const { netns } = await session.fabric.snapshot({ netns: [session.netns] })
    const chains = (netns[0]?.filters ?? []).filter(
      (c) => c.family === family && (table === undefined || c.table === table),
    )
    return done(printSave(chains, tool, counters, dateOf(session.fabric.clock.nowNs())))
  }
}

/** As ctime(3), of the fabric's own clock. */
function dateOf(ns: number): string {
  const seconds = Math.floor(ns / NS_PER_SECOND)
  const day = EPOCH_DAYS + Math.floor(seconds / 86_400)
  const rest = seconds % 86_400
  const two = (value: number): string => String(value).padStart(2, '0')
  const time = `${two(Math.floor(rest / 3600))}:${two(Math.floor(rest / 60) % 60)}:${two(rest % 60)}`
  const { year, month, date } = civil(day)
  return `${DAYS[day % 7]} ${month} ${String(date).padStart(2)} ${time} ${year}`
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** Days since 1970 to a date of the Gregorian calendar. */
function civil(days: number): {
  readonly year: number
  readonly month: string
  readonly date: number
} {
  let year = 1970
  let rest = days
  const lengthOf = (y: number): number => (isLeap(y) ? 366 : 365)
  while (rest >= lengthOf(year)) rest -= lengthOf(year++)
  const february = isLeap(year) ? 29 : 28
  const lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
  let month = 0
  while (rest >= (lengths[month] as number)) rest -= lengths[month++] as number
  return { year, month: MONTHS[month] as string, date: rest + 1 }
}

function isLeap(year: number): boolean {
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
}

/** `nft list ruleset`: what iptables made, as nft says it. */
export const nftCommand: Command = async (session, words) => {
  if (words.join(' ') !== 'list ruleset') {
    return failed(127, `lanyard: "nft ${words.join(' ')}" is not part of this shell yet\n`)
  }
  const { netns } = await session.fabric.snapshot({ netns: [session.netns] })
  const { stdout, stderr } = printNft(netns[0]?.filters ?? [])
  return { code: 0, stdout, stderr }
}
