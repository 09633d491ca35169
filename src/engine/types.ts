/**
 * What the engine's doors speak of: networks, endpoints, leases, and how things stand. The daemon,
 * the command line and later Docker's and CNI's doors all call {@link Engine} and nothing below it.
 */
import type { Ip, Prefix } from '../addr/ip.ts'
import type { Mac } from '../addr/mac.ts'
import type { IpvlanFlag, IpvlanMode, MacvlanMode, Plan } from '../fabric/plan.ts'

/** One address family's pool of a network. */
export interface PoolSpec {
  readonly subnet: Prefix
  /** Addresses handed out by themselves, first and last; default: all of the subnet that may be. */
  readonly range?: { readonly first: Ip; readonly last: Ip }
  readonly gateway?: Ip
  /** Never handed out (`--exclude`, Docker's aux-address), by the name users gave or ''. */
  readonly exclude: readonly { readonly name: string; readonly address: Ip }[]
}

export interface NetworkSpec {
  readonly name: string
  readonly kind: 'macvlan' | 'ipvlan'
  readonly macvlanMode?: MacvlanMode
  /** Mode source: MACs that are heard. */
  readonly sources?: readonly Mac[]
  readonly ipvlanMode?: IpvlanMode
  readonly ipvlanFlag?: IpvlanFlag
  /** `eth0`, or `eth0.50` for a VLAN made if need be; undefined = an internal dummy parent. */
  readonly parent: string | undefined
  /** VLAN on the parent; the same as a parent `eth0.50`. */
  readonly vlan?: number
  /** Broadcast domain; default: parent + VLAN. Networks of one segment share one address table. */
  readonly segment?: string
  readonly pools: readonly PoolSpec[]
  readonly mtu?: number
  /** The parent is given this MTU while the network is there, if it has less. */
  readonly parentMtu?: number
  /** The parent is promiscuous while the network is there. */
  readonly parentPromisc?: boolean
  /** The host itself reaches the endpoints; default true (bridge mode macvlan only). */
  readonly hostAccess: boolean
  /** No default route. */
  readonly internal: boolean
  /** Ask the LAN before an address is handed out; default: where the parent has carrier. */
  readonly check: 'auto' | 'always' | 'never'
  /** When the wanted parent is a port of a bridge: `veth` makes endpoints ports of that bridge. */
  readonly attach: 'child' | 'veth'
  readonly labels: Readonly<Record<string, string>>
  /** This host's alone; of a network that is there they are among the others. */
  readonly ownLabels?: Readonly<Record<string, string>>
}

export interface Network extends NetworkSpec {
  readonly id: string
  readonly segment: string
  /** The link endpoints hang on, VLAN included. */
  readonly parentLink: string
  /** Whether Lanyard made it (VLAN, dummy) and takes it away with the last network. */
  readonly parentOwned: boolean
  readonly createdAt: string
}

export interface ConnectRequest {
  readonly network: string
  /** Sticky: the same name gets the same address and MAC again. */
  readonly endpoint: string
  /** Namespace: a name, a path, or `pid:N`. */
  readonly sandbox: string
  readonly addresses?: readonly Ip[]
  readonly mac?: Mac
  /** Name of the link inside; default the first free `ethN`. */
  readonly link?: string
  /** Which network's gateway becomes the default route when a sandbox has several; higher wins. */
  readonly gatewayPriority?: number
}

/** An address for an endpoint that is still to come. */
export interface ClaimRequest {
  readonly network: string
  readonly family: 4 | 6
  /** Exactly this one. */
  readonly address?: Ip
  /** Who it is for, where that is known: the same name gets the same again. */
  readonly name?: string
  /** Not this one, unless it is asked for: somebody who is not here will. */
  readonly avoid?: (ip: Ip) => boolean
}

/** An endpoint that has no sandbox yet. */
export interface EndpointRequest {
  readonly network: string
  readonly endpoint: string
  /** What its door calls it. */
  readonly id: string
  readonly addresses?: readonly Ip[]
  readonly mac?: Mac
  /** Name of its link to be. */
  readonly link?: string
}

export interface JoinRequest {
  readonly network: string
  readonly endpoint: string
  readonly sandbox: string
  /** First number of `ethN` to try, where the endpoint asked for no name; default 0. */
  readonly linkFrom?: number
  /** Made beside the parent, bare, for the runtime to move into the sandbox and set up. */
  readonly handOver?: boolean
  /** `sandbox`: whoever made the sandbox programs its default route. */
  readonly gatewayBy?: 'sandbox'
}

export interface Endpoint {
  readonly id: string
  readonly network: string
  readonly name: string
  readonly sandbox: string
  readonly link: string
  readonly mac: Mac
  readonly addresses: readonly Prefix[]
  readonly gateways: readonly Ip[]
  readonly gatewayPriority: number
  /** Of several hosts on one store: the one it is on. */
  readonly hostId?: string
  /** `sandbox`: whoever made the sandbox programs its default route. */
  readonly gatewayBy?: 'sandbox'
  /** Name its link was asked to have. */
  readonly wantedLink?: string
}

export interface Lease {
  readonly segment: string
  readonly network: string
  readonly address: Ip
  readonly mac: Mac | undefined
  /** Endpoint that holds it; a reservation's name when nobody does; of a spare the host. */
  readonly holder: string
  /** `spare`: a host holds it for endpoints that come while the store is away. */
  readonly kind: 'endpoint' | 'spare' | 'reservation' | 'cooldown'
  readonly since: string
  /** Of several hosts on one store: the one whose it is, by name. */
  readonly host?: string
}

/** Something that is not as the store says it should be. */
export interface Drift {
  readonly network: string
  readonly endpoint: string | undefined
  readonly what: string
  /** What reconcile does about it; undefined when it can do nothing. */
  readonly mend: string | undefined
}

export interface EngineEvent {
  readonly at: string
  readonly what:
    | 'network-created'
    | 'network-removed'
    | 'connected'
    | 'disconnected'
    | 'drift'
    | 'healed'
    | 'conflict'
    | 'parent-lost'
    | 'parent-back'
  readonly network: string
  readonly endpoint: string | undefined
  readonly detail: string
}

export interface RemoveOptions {
  /** Its endpoints go first, all at once; else a network with endpoints is refused. */
  readonly disconnect?: boolean
  /** Only from this host, while others have it: the last of them removes it. */
  readonly here?: boolean
  /** Though a door made it for somebody who still knows it. */
  readonly force?: boolean
}

/** What every door can ask for. All repeatable: a second call answers as the first. */
/** Who has an address. */
export interface AddressHolder {
  readonly lease: Lease | undefined
  /** The link by which this host itself has it. */
  readonly ownLink: string | undefined
  readonly answeredBy: Mac | undefined
}

export interface Engine {
  createNetwork(spec: NetworkSpec): Promise<Network>
  removeNetwork(name: string, options?: RemoveOptions): Promise<void>
  networks(): Promise<readonly Network[]>
  network(name: string): Promise<Network>
  connect(request: ConnectRequest): Promise<Endpoint>
  /** A sandbox that is gone is a success. */
  disconnect(network: string, endpoint: string): Promise<void>
  endpoints(network?: string): Promise<readonly Endpoint[]>
  /** What would be done, without doing it. */
  planCreate(spec: NetworkSpec): Promise<Plan>
  planConnect(request: ConnectRequest): Promise<Plan>
  leases(segment?: string): Promise<readonly Lease[]>
  /** Who has an address: a lease of ours, this host itself, or whoever answers on the LAN. */
  whoHas(address: Ip): Promise<AddressHolder>
  nextFree(network: string): Promise<readonly Ip[]>
  reserve(network: string, address: Ip, name: string): Promise<Lease>
  release(network: string, address: Ip): Promise<void>
  status(): Promise<readonly Drift[]>
  /** Makes the kernel what the store says; run at start and on every event of the fabric. */
  reconcile(): Promise<readonly Drift[]>
  onEvent(listener: (event: EngineEvent) => void): { close(): void }
  close(): Promise<void>
}

/**
 * What the doors within the daemon can ask for besides: the steps of a connect one by one, as
 * libnetwork asks for them. All repeatable.
 */
export interface DoorEngine extends Engine {
  claim(request: ClaimRequest): Promise<Ip>
  /** Lets go of a claim; an address that an endpoint holds stays its. */
  unclaim(network: string, address: Ip): Promise<void>
  createEndpoint(request: EndpointRequest): Promise<Endpoint>
  join(request: JoinRequest): Promise<Endpoint>
  /** The link goes; addresses and MAC stay the endpoint's, until it is disconnected. */
  leave(network: string, endpoint: string): Promise<void>
}
