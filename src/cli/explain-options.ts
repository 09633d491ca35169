/** What `lanyard explain` can be told. */
export interface ProtocolArgument {
  readonly name: 'icmp' | 'arp' | 'tcp' | 'udp'
  readonly port?: number
}

export interface ExplainCliOptions {
  readonly lab?: string
  readonly set: Readonly<Record<string, string>>
  readonly proto: ProtocolArgument
  readonly 6?: boolean
  readonly size?: number
  readonly fix?: number
  readonly json?: boolean
  readonly pcap?: string
}
