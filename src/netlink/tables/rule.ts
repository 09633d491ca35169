/** Policy rules: `FRA_*`. Source: include/uapi/linux/fib_rules.h, net/core/fib_rules.c. */
import { attr, ip, pad, struct, table, text, u32, u8 } from '../attribute.ts'
import { format } from '../message.ts'

export const FR_ACT_TO_TBL = 1
export const FR_ACT_BLACKHOLE = 6
export const FR_ACT_UNREACHABLE = 7
export const FR_ACT_PROHIBIT = 8

/** `struct fib_rule_hdr` with its attributes. */
export const rule = format(
  struct({
    family: u8,
    dstLength: u8,
    srcLength: u8,
    tos: u8,
    table: u8,
    pad: pad(2),
    action: u8,
    flags: u32,
  }),
  table({
    dst: attr(1, ip),
    src: attr(2, ip),
    iif: attr(3, text),
    priority: attr(6, u32),
    mark: attr(10, u32),
    table: attr(15, u32),
    oif: attr(17, text),
    protocol: attr(21, u8),
  }),
)
