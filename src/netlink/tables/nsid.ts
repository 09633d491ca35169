/**
 * Namespace ids: a namespace numbers the others it knows, and a link names its parent's namespace
 * by that number. Source: include/uapi/linux/net_namespace.h, net/core/net_namespace.c.
 */
import { attr, pad, s32, struct, table, u32, u8 } from '../attribute.ts'
import { format } from '../message.ts'

/** `RTM_GETNSID` with a file descriptor answers the id, or -1 when that namespace has none here. */
export const nsid = format(
  struct({ family: u8, pad: pad(3) }),
  table({ nsid: attr(1, s32), pid: attr(2, u32), fd: attr(3, u32), targetNsid: attr(4, s32) }),
)
