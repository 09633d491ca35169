/** Texts as people paste them: all that are known, and some that are none of them. */
import { describe, expect, test } from 'vitest'
import { fillIn, recognise } from './recognise.ts'
import { TEXTS } from './texts.ts'

/** As found in bug trackers, forums and on machines; what each is. */
const PASTED: readonly (readonly [string, string])[] = [
  [
    'Error response from daemon: network dm-1d34c56c6448 is already using parent interface enp0s3',
    'docker-parent-in-use',
  ],
  [
    'cannot use mode passthru, macvlan network dm-0c6e1f is already using parent interface eth0',
    'docker-passthru',
  ],
  ['Pool overlaps with other one on this address space', 'docker-pool-overlap'],
  ['failed to allocate gateway (192.168.34.1): Address already in use', 'docker-gateway-taken'],
  ['docker: Error response from daemon: Address already in use.', 'docker-address-taken'],
  ['failed to create the macvlan port: device or resource busy', 'parent-busy'],
  ['failed to create the ipvlan port: device or resource busy', 'parent-busy'],
  ['RTNETLINK answers: Device or resource busy', 'parent-busy'],
  ['RTNETLINK answers: Invalid argument', 'kernel-invalid'],
  [
    'failed to create the macvlan port, ensure there are no macvlan networks using the same -o parent: operation not supported',
    'docker-kind-mixed',
  ],
  ['invalid subinterface vlan name en0, example formatting is eth0.10', 'docker-vlan-name'],
  ['-o parent interface was not found on the host: eth1', 'docker-parent-missing'],
  [
    'the requested parent interface ens18 was not found on the Docker host',
    'docker-parent-missing',
  ],
  ['vlan id must be between 1-4094, received: 5000', 'docker-option-invalid'],
  [
    "requested macvlan mode 'brigde' is not valid, 'bridge' mode is the macvlan driver default",
    'docker-option-invalid',
  ],
  ['loopback interface is not a valid macvlan parent link', 'docker-option-invalid'],
  ['failed to create endpoint c on network n: network id "8f3a" not found', 'docker-network-lost'],
  [
    'failed to advertise addresses: write ip ::1->ff02::1: sendmsg: network is unreachable',
    'docker-no-carrier',
  ],
  ['error renaming interface "vethab12" to "eth0": file exists', 'docker-ifname-taken'],
  [
    'error setting interface "vethab12" routes to ["0.0.0.0/0"]: file exists',
    'docker-two-defaults',
  ],
  ['Error response from daemon: plugin "mcvlan" not found', 'docker-plugin-missing'],
  [
    'NetworkDriver.CreateEndpoint: failed to get initial IP address via DHCP: context deadline exceeded',
    'dhcp-deadline',
  ],
  [
    'macvlan driver needs at least one subnet specified, DHCP is not yet supported with netavark',
    'netavark-dhcp',
  ],
  [
    'Error: netavark: unable to obtain lease: dhcp proxy error: status: Aborted, message: "Could not find a lease within the timeout limit"',
    'netavark-lease',
  ],
  [
    'error dialing DHCP daemon: dial unix /run/cni/dhcp.sock: connect: connection refused',
    'cni-dhcp-socket',
  ],
  [
    'error dialing DHCP daemon: dial unix /run/cni/dhcp.sock: connect: no such file or directory',
    'cni-dhcp-socket',
  ],
  ['error calling DHCP.Allocate: no more tries', 'cni-dhcp-tries'],
  ['Error: netavark: Netlink error: No such device (os error 19)', 'netlink-no-device'],
  ['macvlan driver does not support port mappings', 'docker-port-mapping'],
  ['listen tcp4 192.168.1.226:80: bind: cannot assign requested address', 'bind-not-ours'],
  ['the server rejected our request due to an error in our request', 'whereabouts-conflict'],
  ['connect() failed (113: Host is unreachable) while connecting to upstream', 'host-unreachable'],
  ['From 10.0.0.1 icmp_seq=1 Destination Host Unreachable', 'host-unreachable'],
  ['192.168.50.11 dev eth0 FAILED', 'host-unreachable'],
  ['inet6 fd00::5/64 scope global dadfailed tentative', 'dadfailed'],
  ['br0: received packet on ens160 with own address as source address', 'own-address'],
]

/** Cut off, mistyped, wrapped. */
const TATTERED: readonly (readonly [string, string])[] = [
  ['pool overlaps with other one', 'docker-pool-overlap'],
  ['falied to create the macvlan port: device or resorce busy', 'parent-busy'],
  ['already using parent interface eth0', 'docker-parent-in-use'],
  [
    'ERROR: for pihole  Cannot create container for service pihole: failed to create the macvlan port: device or resource busy ERROR: Encountered errors while bringing up the project.',
    'parent-busy',
  ],
  ['macvlan does not support port mapping', 'docker-port-mapping'],
  ['could not find lease within timeout limit', 'netavark-lease'],
]

const NEVER: readonly string[] = [
  'permission denied while trying to connect to the Docker daemon socket',
  'no space left on device',
  'exec format error',
  'Segmentation fault (core dumped)',
  'manifest for nginx:latest2 not found: manifest unknown',
  'is the docker daemon running',
  'hello world',
  '???',
]

describe('recognise', () => {
  test.each([...PASTED, ...TATTERED])('recognise knows "%s"', (text, id) => {
    expect(recognise(text).map((one) => one.id)).toContain(id)
    expect(recognise(text)[0]?.id).toBe(id)
  })

  test.each(NEVER)('recognise does not take "%s" for one of its own', (text) => {
    expect(recognise(text).map((one) => `${one.id} ${one.score}`)).toEqual([])
  })

  test('recognise finds each of its own texts first, whatever stands in the holes', () => {
    for (const [id, { texts }] of Object.entries(TEXTS)) {
      for (const text of texts) {
        expect(recognise(fillIn(text, {}))[0]?.id, text).toBe(id)
      }
    }
  })

  test('recognise fills what the text names into the mends', () => {
    const [found] = recognise(
      'Error response from daemon: network dm-1d34c56c6448 is already using parent interface enp0s3.',
    )
    expect(found?.words).toEqual({ network: 'dm-1d34c56c6448', parent: 'enp0s3' })
    expect(fillIn('ip link show <parent> <other>', found?.words ?? {})).toBe(
      'ip link show enp0s3 OTHER',
    )
  })

  test('recognise takes a log of any length', () => {
    const log = `${'ok all is well here\n'.repeat(20_000)}plugin "lanyrad" not found`
    expect(recognise(log)[0]?.id).toBe('docker-plugin-missing')
  })
})
