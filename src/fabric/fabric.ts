/**
 * A Fabric: where a plan is done. Two make one, the simulator (`sim/`) and the real kernel
 * (`kernel/`); everything above speaks to this contract only.
 */
import type { Ip } from '../addr/ip.ts'
import type { Clock } from './clock.ts'
import type { Op, Plan } from './plan.ts'
import type { Snapshot, SnapshotOptions } from './snapshot.ts'
import type { Frame } from '../wire/frame.ts'

export interface Fabric {
  readonly kind: 'sim' | 'kernel'
  readonly clock: Clock
  /**
   * Does the ops in order. Without `keepGoing` the first refusal throws `LanyardError`
   * (`op-refused`, with the op's index; the ops before it stay done) and with it every op gets its
   * outcome. The outcome of an op says exactly what the kernel said.
   */
  apply(plan: Plan, options?: { readonly keepGoing?: boolean }): Promise<readonly OpOutcome[]>
  /**
   * What is there. Default: every namespace this fabric knows, and all of it. Parts that are not
   * asked for may come empty: reading them takes time, above all where there are many.
   */
  snapshot(options?: SnapshotOptions): Promise<Snapshot>
  /**
   * Sends probes and waits for what comes back; in parallel unless `sequential`. Results in order.
   */
  probe(
    probes: readonly Probe[],
    options?: { readonly sequential?: boolean },
  ): Promise<readonly ProbeResult[]>
  /** Calls back on every change in the namespaces given, until closed. */
  watch(netns: readonly string[], onEvent: (event: FabricEvent) => void): Promise<Closer>
  /**
   * A raw frame port on a link: capture, ARP probes, DHCP. Without `etherType` it sees all that
   * enters and leaves the link (as tcpdump, ETH_P_ALL); with one only frames of that type that got
   * as far as the protocol stack behind the link (a bridge or macvlan parent may have taken the
   * rest).
   */
  openPort(
    netns: string,
    link: string,
    onFrame: (frame: CapturedFrame) => void,
    options?: { readonly etherType?: number },
  ): Promise<FramePort>
  /**
   * Lets a namespace answer on a port of all its addresses until closed: TCP takes connections, UDP
   * sends back what comes.
   */
  listen(netns: string, service: Service): Promise<Closer>
  /**
   * Waits until links, carriers and tentative addresses stand still (bounded; in virtual time when
   * simulated).
   */
  settle(options?: {
    readonly netns?: readonly string[]
    readonly timeoutMs?: number
  }): Promise<void>
  close(): Promise<void>
}

/** A port that answers. */
export interface Service {
  readonly protocol: 'tcp' | 'udp'
  readonly port: number
}

export interface Closer {
  close(): void
}

/** What the kernel answered to one op. */
export type OpOutcome =
  | { readonly ok: true }
  | {
      readonly ok: false
      readonly op: Op
      readonly index: number
      /** `EINVAL`, `EBUSY`, ... */
      readonly errno: string
      /** The kernel's extended-ack text; undefined when it gave none. */
      readonly extack: string | undefined
    }

interface ProbeBase {
  /** The namespace it starts in. */
  readonly from: string
  readonly to: Ip
  /** Bind to this source address. */
  readonly source?: Ip
  /** Bind to this link. */
  readonly link?: string
  readonly ttl?: number
  /** How long to wait for an answer, ms; default 1000. */
  readonly timeoutMs?: number
  /**
   * Sent so many ms after the call, default 0: a ping of several packets is one call with
   * 0, 1000, 2000, ..., so that later packets leave while earlier ones still wait.
   */
  readonly startMs?: number
}

export type Probe =
  | (ProbeBase & {
      readonly protocol: 'icmp'
      /** Echo payload bytes; default 56. */
      readonly size?: number
      /**
       * Path-MTU discovery as ping -M: `do` refuses to fragment, `dont` clears DF, `want` is the
       * default.
       */
      readonly pmtu?: 'do' | 'dont' | 'want'
      readonly broadcast?: boolean
      /** Echo sequence number, default 1. */
      readonly sequence?: number
    })
  | (ProbeBase & { readonly protocol: 'arp'; readonly link: string })
  | (ProbeBase & { readonly protocol: 'udp' | 'tcp'; readonly port: number })

/** What a probe met. */
export type ProbeResult =
  | {
      readonly outcome: 'reply'
      /** TTL or hop limit of the answer; undefined for ARP and TCP. */
      readonly ttl: number | undefined
      readonly rttNs: number
      /** Who answered (differs from `to` for broadcast pings). */
      readonly responder: Ip
      /** ICMP redirects that came for this probe before its answer, in order. */
      readonly redirects?: readonly { readonly responder: Ip; readonly gateway: Ip }[]
    }
  | {
      /**
       * An ICMP error came back, or the own kernel made one (`responder` is then an own address).
       */
      readonly outcome: 'icmp-error'
      readonly type: number
      readonly code: number
      readonly responder: Ip
      /** Next-hop MTU of "fragmentation needed" and "packet too big". */
      readonly mtu: number | undefined
      readonly rttNs: number
      /** The send call itself failed with this: the own packet filter rejected the packet. */
      readonly sendErrno?: string
    }
  | {
      /** The socket call failed at once: ENETUNREACH, EHOSTUNREACH, EMSGSIZE, ECONNREFUSED, ... */
      readonly outcome: 'errno'
      readonly errno: string
      readonly mtu?: number
    }
  | { readonly outcome: 'timeout' }

/** A change seen by `watch`. `overrun`: events were lost, take a fresh snapshot. */
export type FabricEvent =
  | {
      readonly what: 'link'
      readonly change: 'new' | 'del'
      readonly netns: string
      readonly name: string
      readonly index: number
      readonly up: boolean
      readonly carrier: boolean
    }
  | {
      readonly what: 'address' | 'route' | 'neighbour'
      readonly change: 'new' | 'del'
      readonly netns: string
      readonly link: string | undefined
      readonly ip: Ip | undefined
    }
  | { readonly what: 'overrun'; readonly netns: string }

export interface CapturedFrame {
  readonly timeNs: number
  /** As AF_PACKET's `sll_pkttype`. */
  readonly type: 'host' | 'broadcast' | 'multicast' | 'otherhost' | 'outgoing'
  /** The frame from its Ethernet header on, with its VLAN tags in place. */
  readonly bytes: Uint8Array
  /** In the simulator the frame itself: one object at every link it passes unchanged. */
  readonly frame?: Frame
}

export interface FramePort extends Closer {
  /** Sends raw bytes, Ethernet header first. */
  send(bytes: Uint8Array): void
  /**
   * As `send`, without waiting for it: the copies of a broadcast to thousands of siblings take
   * milliseconds. A failure is not told.
   */
  post(bytes: Uint8Array): void
}
