/**
 * Queueing disciplines: `TCA_*`, and of netem `TCA_NETEM_*`. Sources: include/uapi/linux/
 * rtnetlink.h, pkt_sched.h, net/sched/sch_api.c, sch_netem.c.
 */
import {
  attr,
  type Codec,
  pad,
  s32,
  struct,
  type StructValue,
  table,
  type TableValue,
  text,
  u32,
  u64,
  u8,
} from '../attribute.ts'
import { format } from '../message.ts'

/** `TC_H_ROOT`: the parent of a root discipline. */
export const TC_H_ROOT = 0xffffffff

/** `struct tc_netem_qopt`: times in units of 64 ns, chances of 2^32 - 1. */
const QOPT = {
  latency: u32,
  limit: u32,
  loss: u32,
  gap: u32,
  duplicate: u32,
  jitter: u32,
} as const
const qopt = struct(QOPT)

const MORE = {
  reorder: attr(3, struct({ probability: u32, correlation: u32 })),
  /** Bytes per second. */
  rate: attr(6, struct({ rate: u32, packetOverhead: s32, cellSize: u32, cellOverhead: s32 })),
  rate64: attr(8, u64),
  latency64: attr(10, u64),
  jitter64: attr(11, u64),
} as const
const more = table(MORE)

/** `TCA_OPTIONS` of netem: the struct, and its attributes right behind it. */
export interface NetemOptions {
  readonly qopt: StructValue<typeof QOPT>
  readonly more: TableValue<typeof MORE>
}

const netemOptions: Codec<NetemOptions> = {
  encode: (writer, value) => {
    qopt.encode(writer, value.qopt)
    more.encode(writer, value.more)
  },
  decode: (view, start, end) => {
    const head = qopt.decode(view, start, end)
    const rest = head && more.decode(view, start + qopt.size, end)
    return head === undefined || rest === undefined ? undefined : { qopt: head, more: rest }
  },
}

/** `struct tcmsg` with its attributes; the options are read as those of netem. */
export const qdisc = format(
  struct({
    family: u8,
    pad: pad(3),
    index: s32,
    handle: u32,
    parent: u32,
    info: u32,
  }),
  table({ kind: attr(1, text), netem: attr(2, netemOptions) }),
)
