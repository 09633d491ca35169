/** Texts of dockerd and the docker command line; text-row.ts says what a row is. */
import type { TextRow } from './text-row.ts'

const SHARE = 'lanyard network create -o parent=<parent> ... (networks share a parent)'

export const DOCKER_TEXTS = {
  'docker-parent-in-use': {
    texts: ['network <network> is already using parent interface <parent>'],
    from: 'dockerd before mid-2024; for ipvlan to this day',
    means:
      'Docker gives a parent to one network only, and another one of its networks has it; if ' +
      'no such network is in "docker network ls", it is left over in the local-kv.db of dockerd',
    codes: ['parent-in-use', 'parent-kind'],
    mends: [
      'docker network inspect <network> (dm-... is the start of the id of the one that has it)',
      SHARE,
    ],
  },
  'docker-passthru': {
    texts: [
      'cannot use mode passthru, macvlan network <network> is already using parent interface <parent>',
      'macvlan network <network> is already using parent interface <parent> in mode passthru',
    ],
    from: 'dockerd since mid-2024',
    means: 'a passthru child has its parent to itself, and others are on it',
    codes: ['parent-in-use', 'MACVLAN_PASSTHRU_HOST'],
    mends: ['lanyard explain parent <parent> (who is on it)', 'mode bridge instead of passthru'],
  },
  'docker-pool-overlap': {
    texts: ['Pool overlaps with other one on this address space'],
    from: 'dockerd',
    means:
      'another of its networks has this subnet or one that overlaps, on whatever parent: Docker ' +
      'has one address space for all',
    codes: ['pool-overlap'],
    mends: [
      'docker network inspect -f "{{.Name}} {{range .IPAM.Config}}{{.Subnet}} {{end}}" $(docker network ls -q)',
      'lanyard network create -o segment=NAME ... (each broadcast domain has its own address table)',
    ],
  },
  'docker-gateway-taken': {
    texts: ['failed to allocate gateway (<gateway>): Address already in use'],
    from: 'dockerd before September 2025',
    means:
      'Docker books the gateway as an address of its own, and a second network with the same ' +
      'router cannot book it again',
    codes: ['address-in-use'],
    mends: [
      'lanyard network create --gateway <gateway> ... (a gateway is the LAN’s, networks share it)',
    ],
  },
  'docker-address-taken': {
    texts: ['Address already in use'],
    from: 'dockerd, docker run --ip',
    means:
      'the address asked for is held by another container, or it is the gateway of its network, ' +
      'also when the container is meant to be that gateway',
    codes: [
      'address-in-use',
      'address-on-lan',
      'address-lingers',
      'address-of-host',
      'DUPLICATE_ADDRESS',
    ],
    mends: [
      'lanyard ip who ADDRESS (who has it, here or on the LAN)',
      'for a container that is the gateway: lanyard network create without --gateway',
    ],
  },
  'docker-kind-mixed': {
    texts: [
      'ensure there are no macvlan networks using the same -o parent: operation not supported',
    ],
    from: 'dockerd',
    means:
      'one of two: the parent has children of the other kind (macvlan and ipvlan exclude each ' +
      'other on a parent), or the kernel lacks the module',
    codes: ['parent-kind', 'kernel-lacks'],
    mends: [
      'lanyard explain parent <parent> (which kind is on it)',
      'modprobe macvlan; modprobe ipvlan; lsmod | grep vlan (whether the kernel has them)',
    ],
  },
  'docker-vlan-name': {
    texts: ['invalid subinterface vlan name <parent>, example formatting is eth0.10'],
    from: 'dockerd',
    means:
      'there is no link of this name on the machine dockerd runs on, so it took it for a VLAN to be ' +
      'made; with Docker Desktop that machine is a hidden VM without your LAN',
    codes: ['parent-name-invalid', 'parent-missing'],
    mends: [
      'ip -br link (the names there are)',
      'on Docker Desktop: a Linux machine, or the simulator: lanyard lab run examples/seed-001',
    ],
  },
  'docker-parent-missing': {
    texts: [
      '-o parent interface was not found on the host: <parent>',
      'the requested parent interface <parent> was not found on the Docker host',
    ],
    from: 'dockerd',
    means:
      'no link of this name where dockerd runs: the card was renamed or is not there yet, or dockerd ' +
      'is rootless and sees a namespace of its own',
    codes: ['parent-missing', 'parent-gone'],
    mends: [
      'lanyard explain parent <parent> (the nearest name)',
      'docker info -f "{{.SecurityOptions}}" (rootless: macvlan needs the rootful dockerd)',
    ],
  },
  'docker-option-invalid': {
    texts: [
      'vlan id must be between 1-4094, received: <vlan>',
      "requested macvlan mode '<mode>' is not valid, 'bridge' mode is the macvlan driver default",
      "requested ipvlan mode '<mode>' is not valid, 'l2' mode is the ipvlan driver default",
      'loopback interface is not a valid macvlan parent link',
    ],
    from: 'dockerd',
    means: 'a driver option has a value that is not one',
    codes: ['vlan-invalid', 'mode-invalid', 'parent-loopback'],
    mends: [
      'macvlan: bridge, private, vepa, passthru; ipvlan: l2, l3, l3s; VLANs from 1 to 4094',
      'a parent that leads to the LAN: a card, a VLAN of it, a bond',
    ],
  },
  'docker-network-lost': {
    texts: [
      'failed to create endpoint <endpoint> on network <network>: network id "<id>" not found',
      'network id "<id>" not found',
    ],
    from: 'dockerd after a restart, with a network driver',
    means: 'the driver does not know a network that Docker knows: it lost it, or was not up yet',
    codes: ['network-missing'],
    mends: [
      'with the built-in driver: docker network rm <network>, and create it again',
      'with Lanyard nothing: its networks are on disk; lanyard docker status says which are known',
    ],
  },
  'docker-no-carrier': {
    texts: [
      'failed to advertise addresses: write ip <from>-><to>: sendmsg: network is unreachable',
    ],
    from: 'dockerd 28.0',
    means: 'the parent has no carrier: the cable is out, or its link is still coming up at boot',
    codes: ['parent-down', 'NO_CARRIER'],
    mends: [
      'lanyard explain parent PARENT (its state)',
      'lanyard starts endpoints on a parent that is down, and announces them when it is up',
    ],
  },
  'docker-ifname-taken': {
    texts: ['error renaming interface "<link>" to "<name>": file exists'],
    from: 'dockerd, kata',
    means: 'the container has a link of this name already, from another network or made by hand',
    codes: ['link-taken'],
    mends: ['ip netns exec NETNS ip -br link (the names taken)', 'disconnect the other one first'],
  },
  'docker-two-defaults': {
    texts: ['error setting interface "<link>" routes to ["<prefix>"]: file exists'],
    from: 'dockerd, a container in two networks',
    means: 'two networks of one container both bring the same route, mostly the default',
    codes: ['op-refused', 'GATEWAY_UNREACHABLE'],
    mends: [
      'one of the two networks without a gateway: --internal',
      'Docker since 28: docker network connect --gw-priority 1 NETWORK CONTAINER',
    ],
  },
  'docker-plugin-missing': {
    texts: ['plugin "<plugin>" not found'],
    from: 'dockerd',
    means: 'no driver of this name: it is misspelt, or its socket is not there',
    codes: ['docker-unreachable'],
    mends: [
      'the built-in ones are bridge, host, ipvlan, macvlan, none, overlay',
      'lanyard docker status; sudo lanyard docker install (the socket of ours: /run/docker/plugins/lanyard.sock)',
    ],
  },
  'docker-port-mapping': {
    texts: [
      'macvlan driver does not support port mappings',
      'ipvlan driver does not support port mappings',
    ],
    from: 'log of dockerd; compose and podman say nothing',
    means:
      'a container on the LAN has an address and all its ports to itself: nothing translates, so ' +
      'there is nothing to publish',
    codes: ['PORT_CLOSED'],
    mends: [
      'leave out -p (ports:), and use the container’s own address and port',
      'another port: have the program itself listen on it',
    ],
  },
  'bind-not-ours': {
    texts: ['listen tcp4 <address>: bind: cannot assign requested address'],
    from: 'podman, docker run -p ADDRESS:PORT:PORT',
    means: '-p binds on the host, and the address is the container’s, which the host does not have',
    codes: ['PORT_CLOSED'],
    mends: ['leave out -p: the container answers on its own address'],
  },
} as const satisfies Record<string, TextRow>
