/** What `lanyard explain` can be told. */
import type { Assume } from '../explain/beyond.ts'

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
  readonly live?: boolean
  readonly assume?: Assume
  readonly yes?: boolean
  readonly replay?: string
  readonly save?: string
}
