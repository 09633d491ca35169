/** Usage texts: of the tools where rows of real transcripts show them, else of what is here. */
import { ToolExit } from '../arguments.ts'

/** `ip help`, of the objects and options of this shell. */
const IP_HELP = `Usage: ip [ OPTIONS ] OBJECT { COMMAND | help }
       ip [ -force ] -batch -
where  OBJECT := { address | link | maddress | neighbour | netns | route | rule | tuntap }
       OPTIONS := { -V[ersion] | -s[tatistics] | -d[etails] | -h[uman-readable] | -iec |
                    -j[son] | -p[retty] | -f[amily] { inet | inet6 } | -4 | -6 |
                    -br[ief] | -o[neline] | -n[etns] name }
`

/** `ip OBJECT help`, of the commands and words of this shell. */
const OBJECT_HELP = {
  link: `Usage: ip link add [ link DEV ] [ name ] NAME [ WORDS ] type TYPE [ ARGS ]
       ip link delete DEV
       ip link set DEV [ { up | down } ] [ WORDS ] [ master DEV | nomaster ] [ type TYPE ARGS ]
       ip link show [ DEV ] [ up ] [ master DEV ] [ type TYPE ] [ group GROUP ]

WORDS := [ name NAME ] [ address LLADDR ] [ mtu MTU ] [ netns NAME ] [ txqueuelen PACKETS ]
         [ alias NAME ] [ group GROUP ] { promisc | allmulticast | arp } { on | off }
TYPE := { bridge | bridge_slave | dummy | ipvlan | macvlan | macvtap | veth | vlan | vxlan }
`,
  address: `Usage: ip address {add|del} PREFIX dev IFNAME [ broadcast ADDR ] [ scope SCOPE ]
                                        [ nodad ] [ noprefixroute ]
       ip address flush dev IFNAME
       ip address show [ dev IFNAME ] [ up ] [ master DEV ] [ type TYPE ] [ group GROUP ]
`,
  route: `Usage: ip route { add | del | replace } [ TYPE ] PREFIX [ via ADDRESS ] [ dev STRING ]
                        [ src ADDRESS ] [ metric METRIC ] [ table TABLE_ID ] [ scope SCOPE ]
                        [ proto RTPROTO ] [ onlink ]
       ip route { show | flush } [ table TABLE_ID ] [ dev STRING ]
       ip route get ADDRESS [ from ADDRESS iif STRING ] [ oif STRING ]
`,
  neighbour: `Usage: ip neigh { add | del | replace } { ADDR [ lladdr LLADDR ] [ nud STATE ] | proxy ADDR }
                        dev DEV
       ip neigh show [ proxy ] [ to PREFIX ] [ dev DEV ] [ nud STATE ]
       ip neigh flush { all | dev DEV }
`,
  netns: `Usage:\tip netns list
\tip netns add NAME
\tip netns delete NAME
\tip netns exec NAME cmd ...
`,
  rule: `Usage: ip rule [ list ]
       ip rule { add | del } [ from PREFIX ] [ to PREFIX ] [ iif STRING ] [ oif STRING ]
                             [ pref NUMBER ] [ table TABLE_ID | blackhole | prohibit | unreachable ]
`,
} as const

/** usage(): to standard error, with status 255. @throws ToolExit */
export function helpOf(object: keyof typeof OBJECT_HELP | 'ip'): never {
  throw new ToolExit(255, object === 'ip' ? IP_HELP : OBJECT_HELP[object])
}

export const MACVLAN_HELP = `Usage: ... macvlan mode MODE [flag MODE_FLAG] MODE_OPTS [bcqueuelen BC_QUEUE_LEN]

MODE: private | vepa | bridge | passthru | source
MODE_FLAG: null | nopromisc | nodst
MODE_OPTS: for mode "source":
\tmacaddr { { add | del } <macaddr> | set [ <macaddr> [ <macaddr>  ... ] ] | flush }
BC_QUEUE_LEN: Length of the rx queue for broadcast/multicast: [0-4294967295]
`

export const IPVLAN_HELP = `Usage: ... ipvlan [ mode MODE ] [ FLAGS ]

MODE: l3 | l3s | l2
FLAGS: bridge | private | vepa
(first values are the defaults if nothing is specified).
`
