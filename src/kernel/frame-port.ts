/**
 * A raw frame port on a link, over AF_PACKET: what tcpdump, ARP probes and DHCP need.
 *
 * The kernel takes the outer VLAN tag off a frame before a packet socket sees it and tells it aside
 * (PACKET_AUXDATA); it is put back here, so that a frame looks as it did on the wire.
 */
import { LanyardError } from '../errors.ts'
import type { CapturedFrame, FramePort } from '../fabric/fabric.ts'
import { SysError } from '../sys/errno.ts'
import { MessageReader } from '../sys/message.ts'
import { watchReadable } from '../sys/poll.ts'
import { linkAddress } from '../sys/sockaddr.ts'
import {
  AF_PACKET,
  bindSocket,
  closeFd,
  closeLater,
  linkIndex,
  openSocket,
  SO_TIMESTAMPNS,
  SOCK_RAW,
  SOL_SOCKET,
  sendLater,
  sendTo,
  setOption,
  setReceiveBuffer,
} from '../sys/socket.ts'
import { inNetns } from './netns.ts'

const ETH_P_ALL = 3
const ETH_8021Q = 0x8100
const SOL_PACKET = 263
const PACKET_AUXDATA = 8
const TP_STATUS_VLAN_VALID = 0x10
const TP_STATUS_VLAN_TPID_VALID = 0x40
const ARPHRD_LOOPBACK = 772
const BUFFER = 8 << 20
/** A 64 KiB GSO frame with its header. */
const FRAME_MAX = 66_000
const ETHERTYPE_AT = 12

/** `sll_pkttype` (include/uapi/linux/if_packet.h). */
const TYPES = ['host', 'broadcast', 'multicast', 'otherhost', 'outgoing'] as const

/**
 * Opens a port on a link. Without `etherType` it sees all that enters and leaves the link; with one
 * only what got as far as the protocol stack behind it. Its own frames it does not see. On `lo`,
 * where each frame both leaves and enters, it sees the entering one (as tcpdump).
 *
 * The open port keeps its namespace alive. When the link goes down the port stays and is silent;
 * when the link is deleted it stays silent for good.
 *
 * @throws LanyardError `netns-missing`, `netns-broken`, `link-missing`; SysError
 *
 * @example
 * ```ts
 * const port = openFramePort('box1', 'eth0', (frame) => console.log(frame.bytes.length))
 * port.send(arpRequest)
 * port.close()
 * ```
 */
export function openFramePort(
  netns: string,
  link: string,
  onFrame: (frame: CapturedFrame) => void,
  options?: { readonly etherType?: number },
): FramePort {
  const { fd, index } = inNetns(netns, () => {
    const found = linkIndex(link)
    if (found === undefined) throw new LanyardError('link-missing', { netns, link })
    // Protocol 0 hears nothing: other links' frames would slip in before the bind.
    return { fd: openSocket(AF_PACKET, SOCK_RAW, 0), index: found }
  })
  try {
    setReceiveBuffer(fd, BUFFER)
    setOption(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1)
    setOption(fd, SOL_PACKET, PACKET_AUXDATA, 1)
    bindSocket(fd, linkAddress(index, options?.etherType ?? ETH_P_ALL))
    return portOver(fd, onFrame, destination(index, options?.etherType))
  } catch (error) {
    closeFd(fd)
    throw error
  }
}

/** Where a frame goes; undefined: where the socket is bound to, as what it is bound to. */
type Destination = (bytes: Uint8Array) => Uint8Array | undefined

/**
 * A socket that is bound to one EtherType sends everything as that (skb->protocol), whatever the
 * frame's header says; ipvlan and filters go by it. One bound to all of them reads the header
 * (packet_parse_headers).
 */
function destination(index: number, bound: number | undefined): Destination {
  return (bytes) => {
    if (bound === undefined || bytes.length < ETHERTYPE_AT + 2) return undefined
    const own = new DataView(bytes.buffer, bytes.byteOffset).getUint16(ETHERTYPE_AT)
    return own === bound ? undefined : linkAddress(index, own)
  }
}

function portOver(fd: number, onFrame: (frame: CapturedFrame) => void, to: Destination): FramePort {
  const reader = new MessageReader(FRAME_MAX)
  const state = { open: true, sending: 0 }
  // Its number must not be another's while a thread still sends on it.
  const end = (): void => {
    if (!state.open && state.sending === 0) void closeLater(fd)
  }
  const take = (): void => {
    const now = reader.sync()
    while (state.open) {
      const message = reader.read(fd)
      if (message === 0) return
      // An error (ENETDOWN, when the link goes down) was fetched by this; frames may still wait.
      if (typeof message === 'number') continue
      const frame = capture(reader, message.name, message.bytes, now)
      if (frame !== undefined) onFrame(frame)
    }
  }
  const watch = watchReadable(fd, take)
  return {
    send(bytes) {
      const sent = sendTo(fd, bytes, to(bytes))
      if (sent < 0) throw new SysError('send', -sent)
    },
    post(bytes) {
      if (!state.open) return
      state.sending++
      void sendLater(fd, bytes, to(bytes)).then(() => {
        state.sending--
        end()
      })
    },
    close() {
      if (!state.open) return
      state.open = false
      watch.close()
      end()
    },
  }
}

/** A copy of the frame that was read, its tag in place; undefined for the leaving half on `lo`. */
function capture(
  reader: MessageReader,
  name: DataView,
  bytes: Uint8Array,
  now: number,
): CapturedFrame | undefined {
  if (name.byteLength < 12) return undefined
  const type = TYPES[name.getUint8(10)]
  if (type === undefined) return undefined
  if (type === 'outgoing' && name.getUint16(8, true) === ARPHRD_LOOPBACK) return undefined
  return { timeNs: reader.arrivedNs(now), type, bytes: withTag(reader, bytes) }
}

/** struct tpacket_auxdata: status, len, snaplen, mac, net, vlan_tci, vlan_tpid. */
function withTag(reader: MessageReader, bytes: Uint8Array): Uint8Array {
  const auxiliary = reader.control(SOL_PACKET, PACKET_AUXDATA)
  const status = auxiliary?.getUint32(0, true) ?? 0
  if (auxiliary === undefined || (status & TP_STATUS_VLAN_VALID) === 0) return bytes.slice()
  const tagged = new Uint8Array(bytes.length + 4)
  tagged.set(bytes.subarray(0, ETHERTYPE_AT))
  const tag = new DataView(tagged.buffer, ETHERTYPE_AT, 4)
  const hasProtocol = (status & TP_STATUS_VLAN_TPID_VALID) !== 0
  tag.setUint16(0, hasProtocol ? auxiliary.getUint16(18, true) : ETH_8021Q)
  tag.setUint16(2, auxiliary.getUint16(16, true))
  tagged.set(bytes.subarray(ETHERTYPE_AT), ETHERTYPE_AT + 4)
  return tagged
}
