/** How conntrack follows a TCP connection: tcp_conntracks of nf_conntrack_proto_tcp.c. */

/** In the kernel's order. */
export const TCP_STATES = [
  'NONE',
  'SYN_SENT',
  'SYN_RECV',
  'ESTABLISHED',
  'FIN_WAIT',
  'CLOSE_WAIT',
  'LAST_ACK',
  'TIME_WAIT',
  'CLOSE',
  'SYN_SENT2',
] as const

export type TcpState = (typeof TCP_STATES)[number]

/** nf_conntrack_tcp_timeout_*, seconds. */
export const TCP_TIMEOUTS: Readonly<Record<TcpState, number>> = {
  NONE: 120,
  SYN_SENT: 120,
  SYN_RECV: 60,
  ESTABLISHED: 432_000,
  FIN_WAIT: 120,
  CLOSE_WAIT: 60,
  LAST_ACK: 30,
  TIME_WAIT: 120,
  CLOSE: 10,
  SYN_SENT2: 120,
}

const FIN = 1
const SYN = 2
const RST = 4
const ACK = 16

/**
 * Rows: SYN, SYN and ACK, FIN, ACK, RST. Columns as TCP_STATES; `-` leaves the state (sIV, sIG).
 */
const ORIGINAL: readonly string[] = [
  'SS SS - - - - - SS SS S2',
  '- - SR - - - - - - SR',
  '- - FW FW LA LA LA TW CL -',
  'ES - ES ES CW CW TW TW CL -',
  '- CL CL CL CL CL CL CL CL CL',
]
const REPLY: readonly string[] = [
  '- S2 - - - - - SS - S2',
  '- SR - - - - - - - SR',
  '- - FW FW LA LA LA TW CL -',
  '- - SR ES CW CW TW TW CL -',
  '- CL CL CL CL CL CL CL CL CL',
]
const SHORT: Readonly<Record<string, TcpState>> = {
  SS: 'SYN_SENT',
  SR: 'SYN_RECV',
  ES: 'ESTABLISHED',
  FW: 'FIN_WAIT',
  CW: 'CLOSE_WAIT',
  LA: 'LAST_ACK',
  TW: 'TIME_WAIT',
  CL: 'CLOSE',
  S2: 'SYN_SENT2',
}

const tableOf = (rows: readonly string[]) =>
  rows.map((row) => row.split(' ').map((short) => SHORT[short]))
const TABLES = { original: tableOf(ORIGINAL), reply: tableOf(REPLY) }

/** get_conntrack_index(). @returns undefined for a segment without any of them */
function rowOf(flags: number): number | undefined {
  if ((flags & RST) !== 0) return 4
  if ((flags & SYN) !== 0) return (flags & ACK) !== 0 ? 1 : 0
  if ((flags & FIN) !== 0) return 2
  return (flags & ACK) !== 0 ? 3 : undefined
}

/** The state after a segment. */
export function nextTcpState(
  state: TcpState,
  direction: 'original' | 'reply',
  flags: number,
): TcpState {
  const row = rowOf(flags)
  if (row === undefined) return state
  return TABLES[direction][row]?.[TCP_STATES.indexOf(state)] ?? state
}
