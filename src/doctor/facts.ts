/**
 * What the doctor looks at, as plain data: read at the edge (kernel, Docker's socket, the state of
 * Lanyard) and passed in, so that every check is a pure function.
 */
import type { Ip, Ip4, Prefix } from '../addr/ip.ts'
import type { Mac } from '../addr/mac.ts'
import type { Snapshot } from '../fabric/snapshot.ts'

export const MODULES = ['macvlan', 'ipvlan', '8021q', 'bridge', 'veth', 'dummy'] as const
export type Module = (typeof MODULES)[number]

/** `loadable`: there, and loaded when it is first used. */
export type ModuleState = 'built in' | 'loaded' | 'loadable' | 'absent' | 'unknown'

export interface KernelFacts {
  /** As `uname -r`. */
  readonly release: string
  readonly modules: Readonly<Record<Module, ModuleState>>
  readonly distribution:
    | { readonly id: string; readonly version: string; readonly name: string }
    | undefined
}

/** What the machine says it is (DMI); undefined where it says nothing. */
export interface MachineFacts {
  readonly vendor: string | undefined
  readonly product: string | undefined
  readonly board: string | undefined
  readonly assetTag: string | undefined
  /** The processor's own flag. */
  readonly virtual: boolean
}

/** What /sys knows of a link of the host. */
export interface CardFacts {
  /** Mbit/s */
  readonly speed: number | undefined
  readonly wireless: boolean
  readonly driver: string | undefined
}

/** A network of containers, whoever made it. */
export interface LanNetwork {
  readonly owner: 'Docker' | 'Lanyard' | 'podman'
  readonly name: string
  readonly driver: string
  readonly mode: string | undefined
  readonly parent: string | undefined
  readonly pools: readonly {
    readonly subnet: Prefix
    readonly range: { readonly first: Ip; readonly last: Ip } | undefined
    readonly gateway: Ip | undefined
  }[]
  readonly internal: boolean
}

/** What was met by sending something; `--active` only. */
export interface ActiveFacts {
  readonly parent: string
  readonly secondMac: SecondMac
  /** Undefined when nobody could be asked. */
  readonly offers: readonly Offer[] | undefined
  /** Addresses of ours that somebody else answers for. */
  readonly conflicts: readonly { readonly ip: Ip4; readonly mac: Mac }[]
}

export interface SecondMac {
  readonly outcome:
    | 'accepted'
    /** The parent is answered and the second MAC is not. */
    | 'refused'
    /** Neither is answered. */
    | 'silent'
    | 'impossible'
  /** Who was asked. */
  readonly asked: Ip4 | undefined
  /** Why it could not be tried. */
  readonly why: string | undefined
}

export interface Offer {
  readonly server: Ip4
  readonly address: Ip4
  readonly router: Ip4 | undefined
  readonly leaseTime: number | undefined
}

export interface Facts {
  readonly kernel: KernelFacts
  readonly machine: MachineFacts
  /** Every namespace; the host's is `''`. */
  readonly snapshot: Snapshot
  /** Namespaces as people call them. */
  readonly names: Readonly<Record<string, string>>
  readonly cards: Readonly<Record<string, CardFacts>>
  readonly networks: readonly LanNetwork[]
  readonly active: readonly ActiveFacts[]
  /** What could not be looked at, a sentence each. */
  readonly unread: readonly string[]
}
