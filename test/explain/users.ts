/**
 * The failures behind the error texts people paste (docs/reference/error-texts.md), as small labs:
 * what is said of each, and what mends it. Those without VLANs run on any kernel.
 */
import { parseIp } from '../../src/addr/ip.ts'
import type { Question } from '../../src/explain/question.ts'
import type { CauseCode } from '../../src/explain/causes.ts'
import type { TEXTS } from '../../src/explain/texts.ts'
import type { Op } from '../../src/fabric/plan.ts'
import type { ReasonCode } from '../../src/fabric/reason.ts'
import { onOneParent, onTrunk } from './labs.ts'

export interface UserCase {
  /** The rows of the error texts that come of it. */
  readonly texts: readonly (keyof typeof TEXTS)[]
  readonly says: string
  readonly lab: string
  /** What a lab file does not allow, done by hand after it. */
  readonly by?: (node: (name: string) => string) => readonly Op[]
  /** What then comes, once that is at rest. */
  readonly then?: (node: (name: string) => string) => readonly Op[]
  readonly from: string
  readonly to: string
  readonly ip: string
  readonly protocol?: Question['protocol']
  readonly port?: number
  readonly code: ReasonCode
  readonly cause?: CauseCode
  /** The decisive step: node:link. */
  readonly at: string
  /** Needs VLANs: on a kernel without them only as live.uml.test.ts has it. */
  readonly vlans?: true
  /** Remedies there must be, as the names of the nodes say them. */
  readonly fixes: readonly string[]
}

/** A NAS with two containers, a router and one more machine. */
function lan(options: { p0?: string; six?: boolean } = {}): string {
  const { p0 = '{}', six = false } = options
  const at = (last: string) => (six ? `'fd00:8::${last}/64'` : `192.168.8.${last}/24`)
  const ip = (last: string) => (six ? `'fd00:8::${last}'` : `192.168.8.${last}`)
  return `lab: users
switches:
  sw: {ports: {p0: ${p0}, p1: {}, p2: {}}}
hosts:
  nas: {nics: {eth0: {to: sw:p0, addr: ${at('2')}}}}
  router: {nics: {eth0: {to: sw:p1, addr: ${at('1')}}}}
  pc: {nics: {eth0: {to: sw:p2, addr: ${at('10')}}}}
networks:
  lan: {driver: macvlan, parent: eth0, subnet: ${six ? "'fd00:8::/64'" : '192.168.8.0/24'}, gateway: ${ip('1')}, hosts: [nas]}
containers:
  web: {host: nas, net: {network: lan, addr: ${ip('20')}}}
  dns: {host: nas, net: {network: lan, addr: ${ip('21')}}}
`
}

const DEFAULT = { address: 0, length: 0 }

const prefix = (ip: string, length: number) => ({ address: parseIp(ip), length })

const own = (names: readonly string[], node: (name: string) => string): Op[] =>
  names.map((name) => ({
    do: 'link.set',
    netns: node(name),
    name: 'eth0',
    address: 0x020000000077,
  }))

export const USER_CASES: readonly UserCase[] = [
  {
    texts: ['host-unreachable'],
    says: 'a NAS does not reach the container it runs',
    lab: lan(),
    from: 'nas',
    to: 'web',
    ip: '192.168.8.20',
    code: 'BRIDGE_NO_HAIRPIN',
    cause: 'MACVLAN_HOST_TO_CHILD',
    at: 'sw:p0',
    fixes: ['hairpin on at sw:p0', 'host access: a link shim0 of nas on eth0'],
  },
  {
    texts: ['netavark-lease'],
    says: 'a container asks the DHCP server of its own host',
    lab: lan(),
    from: 'web',
    to: 'nas',
    ip: '192.168.8.2',
    protocol: 'udp',
    port: 67,
    code: 'BRIDGE_NO_HAIRPIN',
    cause: 'MACVLAN_CHILD_TO_HOST',
    at: 'sw:p0',
    fixes: ['hairpin on at sw:p0', 'host access: a link shim0 of nas on eth0'],
  },
  {
    texts: ['cni-dhcp-tries', 'dhcp-deadline'],
    says: 'a switch delivers to one MAC of the port only',
    lab: lan({ p0: '{learning: false, flood: false}' }),
    from: 'web',
    to: 'router',
    ip: '192.168.8.1',
    code: 'BRIDGE_FLOOD_OFF',
    at: 'sw:p0',
    fixes: ['learning on at sw:p0', 'flooding of unknown MACs on at sw:p0'],
  },
  {
    texts: ['dhcp-deadline', 'cni-dhcp-tries'],
    says: 'the VLAN is not on the port of the one asked',
    lab: onTrunk({ p3: 'access 1' }),
    vlans: true,
    from: 'box1',
    to: 'box3',
    ip: '172.16.10.11',
    code: 'BRIDGE_VLAN_EGRESS',
    cause: 'VLAN_NOT_ON_PORT',
    at: 'sw:p3',
    fixes: ['VLAN 100 tagged at sw:p3'],
  },
  {
    texts: ['dadfailed'],
    says: 'an IPv6 address was taken when it was tried, and stays refused',
    lab: lan({ six: true }),
    by: (node) => [
      { do: 'address.del', netns: node('dns'), link: 'eth0', address: prefix('fd00:8::21', 64) },
      { do: 'address.add', netns: node('dns'), link: 'eth0', address: prefix('fd00:8::10', 64) },
    ],
    then: (node) => [
      { do: 'address.del', netns: node('pc'), link: 'eth0', address: prefix('fd00:8::10', 64) },
    ],
    from: 'router',
    to: 'dns',
    ip: 'fd00:8::10',
    code: 'ND_TENTATIVE',
    at: 'dns:eth0',
    fixes: ['fd00:8::10 tried once more at dns:eth0'],
  },
  {
    texts: ['docker-address-taken'],
    says: 'Docker gave out an address that a machine of the LAN has',
    lab: lan(),
    by: (node) => [
      { do: 'address.add', netns: node('pc'), link: 'eth0', address: prefix('192.168.8.11', 24) },
      { do: 'address.del', netns: node('dns'), link: 'eth0', address: prefix('192.168.8.21', 24) },
      { do: 'address.add', netns: node('dns'), link: 'eth0', address: prefix('192.168.8.10', 24) },
    ],
    from: 'dns',
    to: 'pc',
    ip: '192.168.8.11',
    code: 'MARTIAN_SOURCE',
    cause: 'DUPLICATE_ADDRESS',
    at: 'pc:eth0',
    fixes: ['192.168.8.12 at dns in place of 192.168.8.10'],
  },
  {
    texts: ['own-address'],
    says: 'two machines have one MAC',
    lab: lan(),
    by: (node) => own(['pc', 'router'], node),
    from: 'router',
    to: 'pc',
    ip: '192.168.8.10',
    code: 'BRIDGE_NO_HAIRPIN',
    cause: 'DUPLICATE_MAC',
    at: 'sw:p2',
    fixes: ['a MAC of its own for router:eth0', 'a MAC of its own for pc:eth0'],
  },
  {
    texts: ['docker-no-carrier'],
    says: 'the cable of the parent is out',
    lab: lan({ p0: '{up: false}' }),
    from: 'web',
    to: 'router',
    ip: '192.168.8.1',
    code: 'NO_CARRIER',
    at: 'web:eth0',
    fixes: ['sw:p0 up'],
  },
  {
    texts: ['docker-passthru', 'kernel-invalid'],
    says: 'a passthru child takes what is meant for its host',
    lab: onOneParent('passthru').replace(/ {2}ns2:.*\n/, ''),
    from: 'centos18',
    to: 'gw',
    ip: '10.211.55.1',
    code: 'ARP_NOT_FOR_US',
    cause: 'MACVLAN_PASSTHRU_HOST',
    at: 'ns1:eth0',
    fixes: ['ns1 in mode bridge'],
  },
  {
    texts: ['docker-two-defaults'],
    says: 'of two default routes the one that leads nowhere is in force',
    lab: lan(),
    by: (node) => [
      { do: 'route.del', netns: node('web'), to: DEFAULT },
      { do: 'route.add', netns: node('web'), to: DEFAULT, via: parseIp('192.168.8.99') },
      {
        do: 'address.add',
        netns: node('router'),
        link: 'eth0',
        address: prefix('203.0.113.1', 32),
      },
    ],
    from: 'web',
    to: 'router',
    ip: '203.0.113.1',
    code: 'BRIDGE_NO_HAIRPIN',
    cause: 'GATEWAY_UNREACHABLE',
    at: 'sw:p0',
    fixes: ['default route of web via 192.168.8.1 (router)'],
  },
  {
    texts: ['docker-port-mapping', 'bind-not-ours'],
    says: 'a published port is not where the program listens',
    lab: lan(),
    from: 'pc',
    to: 'web',
    ip: '192.168.8.20',
    protocol: 'tcp',
    port: 80,
    code: 'PORT_CLOSED',
    at: 'web:eth0',
    fixes: [],
  },
]

/** A command line that is refused, the text people paste, and what does it instead. */
export interface Refusal {
  readonly text: keyof typeof TEXTS
  /** Lines before it, all of them done. */
  readonly before: readonly string[]
  readonly refused: string
  readonly mend: readonly string[]
}

const PARENT = 'ip link add eth0 type veth peer name p0'
const BRIDGED = ['ip link add br0 type bridge', 'ip link set eth0 master br0']

/** Refused by the kernel: any kernel says the same. */
export const KERNEL_REFUSALS: readonly Refusal[] = [
  {
    text: 'parent-busy',
    before: [PARENT, ...BRIDGED],
    refused: 'ip link add m0 link eth0 type macvlan mode bridge',
    mend: ['ip link add m0 link br0 type macvlan mode bridge'],
  },
  {
    text: 'parent-busy',
    before: [PARENT, 'ip link add m0 link eth0 type macvlan', BRIDGED[0] as string],
    refused: BRIDGED[1] as string,
    mend: ['ip link del m0', BRIDGED[1] as string],
  },
  {
    text: 'kernel-exists',
    before: [PARENT, 'ip link add eth1 type veth peer name p1'],
    refused: 'ip link set eth1 name eth0',
    mend: ['ip link set eth0 name old0', 'ip link set eth1 name eth0'],
  },
  {
    text: 'kernel-exists',
    before: [
      PARENT,
      'ip link set eth0 up',
      'ip addr add 10.1.0.2/24 dev eth0',
      'ip route add default via 10.1.0.1',
    ],
    refused: 'ip route add default via 10.1.0.9',
    mend: ['ip route add default via 10.1.0.9 metric 100'],
  },
  {
    text: 'kernel-invalid',
    before: [PARENT, 'ip link add m0 link eth0 type macvlan mode bridge'],
    refused: 'ip link add m1 link eth0 type macvlan mode passthru',
    mend: ['ip link add m1 link eth0 type macvlan mode bridge'],
  },
  {
    text: 'kernel-invalid',
    before: [PARENT, 'ip link add m0 link eth0 type macvlan mode passthru'],
    refused: 'ip link add m1 link eth0 type macvlan mode bridge',
    mend: ['ip link del m0', 'ip link add m1 link eth0 type macvlan mode bridge'],
  },
]

const NET = 'docker network create -d macvlan'
const EIGHT = '--subnet 192.168.8.0/24 --gateway 192.168.8.1'
const NINE = '--subnet 192.168.9.0/24 --gateway 192.168.9.1'
const RUN = 'docker run -itd --network lan'

/** Refused by the Docker of the lab's shell, which test/docker holds beside a real one. */
export const DOCKER_REFUSALS: readonly Refusal[] = [
  {
    text: 'docker-parent-in-use',
    before: [`${NET} ${EIGHT} -o parent=eth0 old`],
    refused: `${NET} ${NINE} -o parent=eth0 lan`,
    mend: ['docker network rm old', `${NET} ${NINE} -o parent=eth0 lan`],
  },
  {
    text: 'docker-passthru',
    before: ['echo 29 > /etc/docker/dialect', `${NET} ${EIGHT} -o parent=eth0 old`],
    refused: `${NET} ${NINE} -o parent=eth0 -o macvlan_mode=passthru lan`,
    mend: [`${NET} ${NINE} -o parent=eth0 lan`],
  },
  {
    text: 'docker-pool-overlap',
    before: [`${NET} ${EIGHT} -o parent=eth0 old`],
    refused: `${NET} ${EIGHT} -o parent=eth0.50 lan`,
    mend: [`${NET} ${NINE} -o parent=eth0.50 lan`],
  },
  {
    text: 'docker-vlan-name',
    before: [],
    refused: `${NET} ${EIGHT} -o parent=en0 lan`,
    mend: [`${NET} ${EIGHT} -o parent=eth0 lan`],
  },
  {
    text: 'docker-parent-missing',
    before: [],
    refused: `${NET} ${EIGHT} -o parent=eth1.50 lan`,
    mend: [`${NET} ${EIGHT} -o parent=eth0.50 lan`],
  },
  {
    text: 'docker-option-invalid',
    before: [],
    refused: `${NET} ${EIGHT} -o parent=eth0.5000 lan`,
    mend: [`${NET} ${EIGHT} -o parent=eth0.4094 lan`],
  },
  {
    text: 'docker-option-invalid',
    before: [],
    refused: `${NET} ${EIGHT} -o parent=eth0 -o macvlan_mode=brigde lan`,
    mend: [`${NET} ${EIGHT} -o parent=eth0 -o macvlan_mode=bridge lan`],
  },
  {
    text: 'docker-option-invalid',
    before: [],
    refused: `${NET} ${EIGHT} -o parent=lo lan`,
    mend: [`${NET} ${EIGHT} -o parent=eth0 lan`],
  },
  {
    text: 'docker-plugin-missing',
    before: [],
    refused: `docker network create -d mcvlan ${EIGHT} -o parent=eth0 lan`,
    mend: [`${NET} ${EIGHT} -o parent=eth0 lan`],
  },
  {
    text: 'docker-address-taken',
    before: [`${NET} ${EIGHT} -o parent=eth0 lan`],
    refused: `${RUN} --name web --ip 192.168.8.1 busybox`,
    mend: ['docker rm -f web', `${RUN} --name web --ip 192.168.8.20 busybox`],
  },
  {
    text: 'pool-exhausted',
    before: [
      `${NET} ${EIGHT} --ip-range 192.168.8.128/31 -o parent=eth0 lan`,
      `${RUN} --name one busybox`,
      `${RUN} --name two busybox`,
    ],
    refused: `${RUN} --name web busybox`,
    mend: ['docker rm -f one web', `${RUN} --name web busybox`],
  },
  {
    text: 'parent-busy',
    before: [
      'ip link add br0 type bridge',
      'ip link set eth0 master br0',
      `${NET} ${EIGHT} -o parent=eth0 lan`,
    ],
    refused: `${RUN} --name web busybox`,
    mend: ['ip link set eth0 nomaster', 'docker rm -f web', `${RUN} --name web busybox`],
  },
  {
    text: 'parent-busy',
    before: [
      'ip link add m0 link eth0 type macvlan',
      `docker network create -d ipvlan ${EIGHT} -o parent=eth0 lan`,
    ],
    refused: `${RUN} --name web busybox`,
    mend: ['ip link del m0', 'docker rm -f web', `${RUN} --name web busybox`],
  },
]
