/**
 * The one error class and its table: code -> sentence, HTTP status, errno.
 *
 * A sentence is lower case, has no full stop, and names the thing and its holder. What to do
 * about it goes into `mend`. Switch on `code`, never on text. Codes are never reused or renamed.
 */

interface Row<D> {
  readonly status: number
  readonly errno?: string
  readonly say: (detail: D) => string
  readonly mend?: (detail: D) => string
}

const row = <D>(r: Row<D>): Row<D> => r

function labsUp(known: readonly string[]): string {
  return known.length === 0 ? 'no lab is' : `there is ${known.join(', ')}`
}

const TABLE = {
  // -- addr
  'address-invalid': row<{ text: string; kind: string; why: string }>({
    status: 400,
    errno: 'EINVAL',
    say: (d) => `"${d.text}" is not ${d.kind}: ${d.why}`,
  }),
  // -- fabric
  'op-refused': row<{ op: string; errno: string; message: string; index: number }>({
    status: 409,
    say: (d) => `${d.op}: ${d.message} (${d.errno})`,
  }),
  'kernel-lacks': row<{ what: string; op: string; message: string }>({
    status: 501,
    errno: 'EOPNOTSUPP',
    say: (d) => `this kernel has no ${d.what}: "${d.op}" answers "${d.message}"`,
    mend: () => 'use a kernel that has it (--fabric uml), or the simulator (--fabric sim)',
  }),
  'netns-missing': row<{ netns: string }>({
    status: 404,
    errno: 'ENOENT',
    say: (d) => `network namespace "${d.netns}" does not exist`,
  }),
  'netns-exists': row<{ netns: string }>({
    status: 409,
    errno: 'EEXIST',
    say: (d) => `network namespace "${d.netns}" exists already`,
  }),
  'netns-broken': row<{ netns: string }>({
    status: 409,
    errno: 'EINVAL',
    say: (d) => `"${d.netns}" is a plain file, not a network namespace: its maker died half-way`,
    mend: (d) => `remove it with "ip netns del ${d.netns}"`,
  }),
  'netns-name-invalid': row<{ netns: string; why: string }>({
    status: 400,
    errno: 'EINVAL',
    say: (d) => `"${d.netns}" cannot name a network namespace: ${d.why}`,
  }),
  'needs-root': row<{ missing: string }>({
    status: 403,
    errno: 'EPERM',
    say: (d) => `this needs the capabilities CAP_NET_ADMIN and CAP_SYS_ADMIN; ${d.missing}`,
    mend: () => 'run it as root (sudo), or on the simulator, which needs none of it: --fabric sim',
  }),
  'link-missing': row<{ netns: string; link: string }>({
    status: 404,
    errno: 'ENODEV',
    say: (d) => `link "${d.link}" does not exist in namespace "${d.netns}"`,
  }),
  // -- driver
  'mode-invalid': row<{ kind: 'macvlan' | 'ipvlan'; mode: string; allowed: readonly string[] }>({
    status: 400,
    errno: 'EINVAL',
    say: (d) =>
      `requested ${d.kind} mode '${d.mode}' is not valid, '${d.allowed[0]}' mode is the ${d.kind} driver default`,
    mend: (d) => `use one of: ${d.allowed.join(', ')}`,
  }),
  'flag-invalid': row<{ flag: string; allowed: readonly string[] }>({
    status: 400,
    errno: 'EINVAL',
    say: (d) =>
      `requested ipvlan flag '${d.flag}' is not valid, 'bridge' is the ipvlan driver default`,
    mend: (d) => `use one of: ${d.allowed.join(', ')}`,
  }),
  'network-invalid': row<{ network: string; why: string; mend?: string }>({
    status: 400,
    errno: 'EINVAL',
    say: (d) => `invalid network config of ${d.network}: ${d.why}`,
    mend: (d) => d.mend ?? '"lanyard network create --help" says what goes together',
  }),
  'parent-loopback': row<{ parent: string }>({
    status: 400,
    errno: 'EINVAL',
    say: (d) => `loopback interface is not a valid macvlan parent link: ${d.parent}`,
    mend: () => 'name the network card that is on the LAN, or none for an internal network',
  }),
  'parent-name-invalid': row<{ name: string }>({
    status: 400,
    errno: 'EINVAL',
    say: (d) =>
      `required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received ${d.name}`,
    mend: () => 'make a VLAN in a VLAN by hand and name it as the parent',
  }),
  'vlan-invalid': row<{ received: string }>({
    status: 400,
    errno: 'ERANGE',
    say: (d) =>
      /^[0-9]+$/.test(d.received)
        ? `vlan id must be between 1-4094, received: ${d.received}`
        : `unable to parse a valid vlan id from: ${d.received} (ex. eth0.10 for vlan 10)`,
    mend: () => 'a VLAN of eth0 is written eth0.10, or -o parent=eth0 -o vlan=10, with 1 to 4094',
  }),
  'parent-missing': row<{ parent: string; known: readonly string[] }>({
    status: 404,
    errno: 'ENODEV',
    say: (d) => `-o parent interface was not found on the host: ${d.parent}`,
    mend: (d) =>
      d.known.length === 0
        ? 'this host has no link that could be a parent: on Docker Desktop and without root, use the simulator (--fabric sim)'
        : `name one of: ${d.known.join(', ')}; a VLAN is written eth0.10`,
  }),
  'parent-gone': row<{ parent: string; network: string }>({
    status: 409,
    errno: 'ENODEV',
    say: (d) =>
      `the requested parent interface ${d.parent} was not found on the host: network ${d.network} waits for it`,
    mend: (d) => `bring ${d.parent} back; the network heals by itself when it appears`,
  }),
  'parent-down': row<{ parent: string; network: string }>({
    status: 409,
    errno: 'ENETDOWN',
    say: (d) => `network is down: parent ${d.parent} of network ${d.network} is not up`,
    mend: (d) => `ip link set ${d.parent} up`,
  }),
  'parent-busy': row<{
    kind: 'macvlan' | 'ipvlan'
    parent: string
    owner: string
    better: string | undefined
  }>({
    status: 409,
    errno: 'EBUSY',
    say: (d) =>
      `failed to create the ${d.kind} port: device or resource busy: parent ${d.parent} is taken, ${d.owner}`,
    mend: (d) =>
      d.better === undefined
        ? 'use another parent'
        : `name ${d.better} as the parent; with --attach veth endpoints become ports of that bridge`,
  }),
  'parent-in-use': row<{ parent: string; owner: string; passthru: 'wanted' | 'held' }>({
    status: 409,
    errno: 'EINVAL',
    say: (d) =>
      d.passthru === 'wanted'
        ? `cannot use mode passthru, macvlan ${d.owner} is already using parent interface ${d.parent}`
        : `macvlan ${d.owner} is already using parent interface ${d.parent} in mode passthru`,
    mend: (d) => `passthru has its parent alone: remove ${d.owner}, or use another parent`,
  }),
  'parent-kind': row<{
    kind: 'macvlan' | 'ipvlan'
    parent: string
    owner: string
    other: 'macvlan' | 'ipvlan'
  }>({
    status: 409,
    errno: 'EBUSY',
    say: (d) =>
      `failed to create the ${d.kind} port: device or resource busy: ${d.owner} is already using parent interface ${d.parent} for ${d.other}`,
    mend: (d) => `make this one ${d.other}, too, or put it on a VLAN or another parent`,
  }),
  'parent-mode': row<{ parent: string; owner: string; mode: string; otherMode: string }>({
    status: 409,
    errno: 'EBUSY',
    say: (d) =>
      `${d.owner} is already using parent interface ${d.parent} as ${d.otherMode}: ${d.mode} would change it, too`,
    mend: (d) => `all ipvlan networks of a parent share mode and flag: ask for ${d.otherMode}`,
  }),
  'parent-cut-off': row<{ parent: string; gateway: string; network: string }>({
    status: 409,
    errno: 'ENETUNREACH',
    say: (d) =>
      `with network ${d.network} on ${d.parent} the gateway ${d.gateway} did not answer any more: all was put back`,
    mend: (d) => `use a parent that the host does not need for itself, or a VLAN of ${d.parent}`,
  }),
  'mtu-too-big': row<{ network: string; mtu: number; parent: string; most: number }>({
    status: 400,
    errno: 'EINVAL',
    say: (d) =>
      `network ${d.network} asks for MTU ${d.mtu}, its parent ${d.parent} has ${d.most} (RTNETLINK answers: Invalid argument)`,
    mend: (d) => `ask for ${d.most} or less, or have the parent raised: -o parent_mtu=${d.mtu}`,
  }),
  'kind-missing': row<{ kind: string; link: string }>({
    status: 501,
    errno: 'EOPNOTSUPP',
    say: (d) => `failed to create ${d.link} ${d.kind} link: operation not supported`,
    mend: (d) =>
      `this kernel has no ${d.kind}: try "modprobe ${d.kind === 'vlan' ? '8021q' : d.kind}"`,
  }),
  // -- engine
  'network-missing': row<{ network: string; known: readonly string[] }>({
    status: 404,
    errno: 'ENOENT',
    say: (d) => `network ${d.network} not found`,
    mend: (d) => (d.known.length === 0 ? 'there is none yet' : `there is: ${d.known.join(', ')}`),
  }),
  'network-exists': row<{ network: string; differs: string }>({
    status: 409,
    errno: 'EEXIST',
    say: (d) => `network with name ${d.network} already exists, with another ${d.differs}`,
    mend: (d) => `remove it first: lanyard network rm ${d.network}`,
  }),
  'network-kept': row<{ network: string; host: string | undefined }>({
    status: 403,
    errno: 'EBUSY',
    say: (d) =>
      `network ${d.network} was made by Docker${d.host === undefined ? '' : ` on host ${d.host}`}`,
    mend: (d) =>
      `docker network rm ${d.network}${d.host === undefined ? '' : ` on ${d.host}`}; without that Docker: lanyard network rm --force ${d.network}`,
  }),
  'network-in-use': row<{
    network: string
    endpoints: readonly string[]
    first: string
    /** Of the first, where it is another one's. */
    host: string | undefined
  }>({
    status: 403,
    errno: 'EBUSY',
    say: (d) =>
      `error while removing network: network ${d.network} has active endpoints (${d.endpoints.slice(0, 5).join(', ')}${d.endpoints.length > 5 ? `, and ${d.endpoints.length - 5} more` : ''})`,
    mend: (d) =>
      `disconnect them: lanyard network disconnect ${d.network} ${d.first}${d.host === undefined ? '' : ` (on ${d.host}; of a host that is gone for good: lanyard host forget ${d.host})`}`,
  }),
  'endpoint-exists': row<{ network: string; endpoint: string; sandbox: string; differs: string }>({
    status: 409,
    errno: 'EEXIST',
    say: (d) =>
      `endpoint with name ${d.endpoint} already exists in network ${d.network}: it is in ${d.sandbox}, with another ${d.differs}`,
    mend: (d) => `disconnect it first: lanyard network disconnect ${d.network} ${d.endpoint}`,
  }),
  'endpoint-changed': row<{ network: string; endpoint: string }>({
    status: 409,
    errno: 'EAGAIN',
    say: (d) =>
      `endpoint ${d.endpoint} of network ${d.network} was changed by somebody else meanwhile`,
    mend: () => 'ask again',
  }),
  'endpoint-missing': row<{ network: string; endpoint: string }>({
    status: 404,
    errno: 'ENOENT',
    say: (d) => `network ${d.network} has no endpoint ${d.endpoint}`,
  }),
  'endpoint-invalid': row<{ endpoint: string; why: string }>({
    status: 400,
    errno: 'EINVAL',
    say: (d) => `invalid name: ${d.endpoint}: ${d.why}`,
  }),
  'mac-refused': row<{ network: string; endpoint: string }>({
    status: 400,
    errno: 'EOPNOTSUPP',
    say: (d) =>
      `failed to create endpoint ${d.endpoint} on network ${d.network}: ipvlan interfaces do not support custom mac address assignment`,
    mend: () => 'ipvlan endpoints share the MAC of their parent; use macvlan for one of their own',
  }),
  'mac-invalid': row<{ mac: string; why: string }>({
    status: 400,
    errno: 'EADDRNOTAVAIL',
    say: (d) => `${d.mac} is not a valid mac address: ${d.why}`,
  }),
  'mac-taken': row<{ mac: string; parent: string; owner: string }>({
    status: 409,
    errno: 'EADDRINUSE',
    say: (d) => `MAC ${d.mac} on parent ${d.parent}: address already in use by ${d.owner}`,
    mend: () => 'ask for another MAC, or for none: an endpoint then gets one of its own that stays',
  }),
  'address-on-lan': row<{ address: string; network: string; mac: string }>({
    status: 409,
    errno: 'EADDRINUSE',
    say: (d) =>
      `address ${d.address} of network ${d.network}: address already in use on the LAN by ${d.mac}`,
    mend: (d) => `take another, or keep it from being handed out: --exclude ${d.address}`,
  }),
  'address-lingers': row<{ address: string; network: string; mac: string; holder: string }>({
    status: 409,
    errno: 'EADDRINUSE',
    say: (d) =>
      `address ${d.address} of network ${d.network}: address already in use on the LAN by ${d.mac},` +
      ` still: ${d.holder} has given it back, but its link is not gone`,
    mend: () =>
      'ask again in a moment; the link stays while a process is in its namespace ("lsns -t net"), and while its host does not know that it is gone',
  }),
  'address-of-host': row<{ address: string; network: string; link: string }>({
    status: 409,
    errno: 'EADDRINUSE',
    say: (d) => `address ${d.address} of network ${d.network} is the host's own, on ${d.link}`,
    mend: (d) => `take another, or keep it from being handed out: --exclude ${d.address}`,
  }),
  'link-taken': row<{ sandbox: string; link: string }>({
    status: 409,
    errno: 'EEXIST',
    say: (d) => `error renaming interface to "${d.link}": file exists in namespace ${d.sandbox}`,
    mend: () => 'name another one, or none for the first ethN that is free',
  }),
  'record-broken': row<{ key: string; why: string }>({
    status: 500,
    errno: 'EIO',
    say: (d) => `the record ${d.key} in the store cannot be read: ${d.why}`,
    mend: () => 'it was left as it is; restore the store from a copy, or remove the record',
  }),
  'host-twin': row<{ id: string; host: string; other: string }>({
    status: 409,
    errno: 'EEXIST',
    say: (d) =>
      `two hosts have the machine-id ${d.id}: this one (${d.host}), and ${d.other}, which is alive`,
    mend: () =>
      'give this one its own: "rm /etc/machine-id && systemd-machine-id-setup", and start again; copies of a virtual machine need it',
  }),
  'host-nameless': row<{ file: string }>({
    status: 409,
    errno: 'ENOENT',
    say: (d) => `this host has no id of its own: ${d.file} is missing or empty`,
    mend: () => 'make one: "systemd-machine-id-setup", or "dbus-uuidgen --ensure=/etc/machine-id"',
  }),
  'host-drained': row<{ host: string; id: string }>({
    status: 409,
    errno: 'ESHUTDOWN',
    say: (d) => `host ${d.host} is drained: it takes no new endpoints`,
    mend: (d) => `take it back: "lanyard host drain --off ${d.host}"`,
  }),
  'host-forgotten': row<{ host: string; id: string }>({
    status: 409,
    errno: 'ESTALE',
    say: (d) => `the store does not know host ${d.host} (${d.id}) any more: it was forgotten`,
    mend: () => 'start the daemon anew: it registers, and says again what this host holds',
  }),
  'host-missing': row<{ host: string; known: readonly string[] }>({
    status: 404,
    errno: 'ENOENT',
    say: (d) => `the store knows no host ${d.host}`,
    mend: (d) => (d.known.length === 0 ? 'it knows none yet' : `it knows: ${d.known.join(', ')}`),
  }),
  'host-alive': row<{ host: string }>({
    status: 409,
    errno: 'EBUSY',
    say: (d) => `host ${d.host} is alive: its daemon gave a sign of life within 15 s`,
    mend: (d) => `stop its daemon first, or drain it: "lanyard host drain ${d.host}"`,
  }),
  'parent-unmapped': row<{ network: string; parent: string }>({
    status: 404,
    errno: 'ENODEV',
    say: (d) =>
      `network ${d.network} hangs on ${d.parent} where it was made, and this host has no such link`,
    mend: (d) =>
      `say which link it is here: "lanyard network create" once more with the same subnet and -o parent=LINK ${d.network}`,
  }),
  'parent-not-found': row<{ parent: string }>({
    status: 404,
    errno: 'ENODEV',
    say: (d) => `no link of this host is meant by parent ${d.parent}`,
    mend: () =>
      'look at "ip link" and "ip route"; labels are set with "lanyard host label NAME=LINK"',
  }),
  'segment-unclear': row<{
    network: string
    subnet: string
    other: string
    segment: string
    parent: string
  }>({
    status: 409,
    errno: 'EEXIST',
    say: (d) =>
      `subnet ${d.subnet} of network ${d.network} is network ${d.other}'s, too, on segment ${d.segment}: whether ${d.parent} is on the same LAN cannot be seen from here`,
    mend: (d) =>
      `if it is, say --segment ${d.segment}; if it is another LAN, give it a name of its own: --segment NAME`,
  }),
  'engine-closed': row<Record<string, never>>({
    status: 503,
    errno: 'ESHUTDOWN',
    say: () => 'the engine is closed',
  }),
  // -- lab
  'lab-invalid': row<{
    problems: readonly {
      file: string
      line: number
      column: number
      path: string
      sentence: string
    }[]
  }>({
    status: 400,
    errno: 'EINVAL',
    say: (d) =>
      d.problems
        .map(
          (p) =>
            `${p.file}:${p.line}:${p.column}: ${p.path === '' ? '' : `${p.path}: `}${p.sentence}`,
        )
        .join('\n'),
  }),
  'lab-command-failed': row<{
    file: string
    line: number
    node: string
    command: string
    status: number
    output: string
  }>({
    status: 409,
    say: (d) =>
      `${d.file}:${d.line}: "${d.command}" on ${d.node} ended with status ${d.status}: ${d.output}`,
  }),
  'lab-stopped': row<{ lab: string }>({
    status: 499,
    errno: 'EINTR',
    say: (d) => `lab ${d.lab} was stopped`,
  }),
  'lab-running': row<{ lab: string; pid: number }>({
    status: 409,
    errno: 'EBUSY',
    say: (d) => `lab ${d.lab} is being run by process ${d.pid}`,
    mend: (d) => `wait for it, or stop it: kill ${d.pid}`,
  }),
  'lab-unknown': row<{ lab: string; known: readonly string[] }>({
    status: 404,
    errno: 'ENOENT',
    say: (d) =>
      `nothing of a lab "${d.lab}" is on this machine: there is ${
        d.known.length === 0 ? 'no lab at all' : d.known.join(', ')
      }`,
  }),
  'lab-is-up': row<{ lab: string; fabric: string }>({
    status: 409,
    errno: 'EEXIST',
    say: (d) => `lab ${d.lab} is up already (${d.fabric})`,
    mend: (d) => `"lanyard lab down ${d.lab}" removes it; "--name NAME" makes another beside it`,
  }),
  'lab-not-up': row<{ lab: string; known: readonly string[] }>({
    status: 404,
    errno: 'ENOENT',
    say: (d) => (d.lab === '' ? 'no lab is up' : `lab ${d.lab} is not up: ${labsUp(d.known)}`),
    mend: () => '"lanyard lab up FILE" makes one, "lanyard lab status" lists them',
  }),
  'lab-guest-gone': row<{ lab: string; file: string; why: string }>({
    status: 410,
    errno: 'ESRCH',
    say: (d) => `lab ${d.lab} is no more: ${d.why}`,
    mend: (d) =>
      `"lanyard lab down ${d.lab}" takes away what is left, ` +
      `"lanyard lab up ${d.file} --fabric uml" makes it again`,
  }),
  'lab-guest-blind': row<{ lab: string; folder: string }>({
    status: 409,
    errno: 'EXDEV',
    say: (d) =>
      `lab ${d.lab} would be kept in ${d.folder}, which its kernel in User Mode Linux cannot see: ` +
      '/dev, /proc, /run and /sys are its own there',
    mend: () => 'name a folder elsewhere: XDG_STATE_HOME=FOLDER lanyard lab up ...',
  }),
  'lab-replay-differs': row<{ lab: string; commands: number }>({
    status: 500,
    errno: 'EIO',
    say: (d) =>
      `lab ${d.lab} does not come out as it did when its ${d.commands} commands are replayed: ` +
      'another version of lanyard made it',
    mend: (d) => `"lanyard lab down ${d.lab}", then "lanyard lab up" makes it anew`,
  }),
  'tool-failed': row<{ command: string; why: string }>({
    status: 500,
    errno: 'EIO',
    say: (d) => `"${d.command}" failed: ${d.why}`,
  }),
  'lab-state-broken': row<{ lab: string; file: string; why: string }>({
    status: 500,
    errno: 'EIO',
    say: (d) => `the state of lab ${d.lab} cannot be read: ${d.file}: ${d.why}`,
    mend: (d) => `"lanyard lab down ${d.lab}" removes it`,
  }),
  // -- daemon and its client
  'daemon-unreachable': row<{ socket: string; why: string }>({
    status: 503,
    errno: 'ECONNREFUSED',
    say: (d) => `the daemon at ${d.socket} does not answer: ${d.why}`,
    mend: () => 'look at its log: "journalctl -u lanyard", and start it: "systemctl start lanyard"',
  }),
  'daemon-forbidden': row<{ socket: string; user: string; group: string }>({
    status: 403,
    errno: 'EACCES',
    say: (d) =>
      `the daemon at ${d.socket} serves root and members of group "${d.group}" only, and ${d.user} is neither`,
    mend: (d) =>
      `use sudo, or join the group and log in again: "sudo usermod -aG ${d.group} ${d.user}"`,
  }),
  'daemon-running': row<{ what: string; pid: string }>({
    status: 409,
    errno: 'EADDRINUSE',
    say: (d) => `${d.what} belongs to a daemon that runs as process ${d.pid}`,
    mend: (d) => `use that daemon, or stop it first: "systemctl stop lanyard" or "kill ${d.pid}"`,
  }),
  'socket-invalid': row<{ socket: string; why: string }>({
    status: 400,
    errno: 'EINVAL',
    say: (d) => `the daemon cannot listen on ${d.socket}: ${d.why}`,
  }),
  'needs-daemon': row<{ socket: string; missing: string }>({
    status: 403,
    errno: 'EPERM',
    say: (d) => `no daemon runs at ${d.socket}, and without one this needs root: ${d.missing}`,
    mend: () => 'start the daemon ("sudo systemctl start lanyard"), or run this as root (sudo)',
  }),
  'request-invalid': row<{ problems: readonly { path: string; sentence: string }[] }>({
    status: 400,
    errno: 'EINVAL',
    say: (d) =>
      d.problems.map((p) => (p.path === '' ? p.sentence : `${p.path}: ${p.sentence}`)).join('; '),
    mend: () => 'see /openapi.json for what the daemon understands',
  }),
  'request-lost': row<{ method: string }>({
    status: 409,
    errno: 'EAGAIN',
    say: (d) =>
      `Docker asked for ${d.method} a second time without saying for what: the plugin ended while it asked the first time`,
    mend: () => 'run the docker command again',
  }),
  'request-too-large': row<{ limit: number }>({
    status: 413,
    errno: 'EMSGSIZE',
    say: (d) => `the request is larger than ${d.limit} bytes`,
  }),
  'route-missing': row<{ method: string; path: string }>({
    status: 404,
    errno: 'ENOENT',
    say: (d) => `the daemon knows no ${d.method} ${d.path}`,
    mend: () => 'see /openapi.json; client and daemon may be of different versions',
  }),
  defect: row<{ what: string; request: string }>({
    status: 500,
    say: (d) => `defect in the daemon: ${d.what}`,
    mend: (d) => `report it with what its log says of request ${d.request}`,
  }),
  // -- docker
  'docker-refused': row<{ why: string }>({
    status: 400,
    errno: 'EINVAL',
    say: (d) => d.why,
  }),
  'docker-unreachable': row<{ socket: string; why: string }>({
    status: 503,
    errno: 'ECONNREFUSED',
    say: (d) => `Docker at ${d.socket} does not answer: ${d.why}`,
    mend: () => 'start it ("sudo systemctl start docker"), or say where it is: --docker-api SOCKET',
  }),
  'docker-says': row<{ said: string; status: number }>({
    status: 409,
    say: (d) => `Docker says: ${d.said}`,
  }),
  // -- cli
  'uml-missing': row<{ why: string }>({
    status: 501,
    errno: 'ENOENT',
    say: (d) => `User Mode Linux cannot run here: ${d.why}`,
    mend: () => 'install it (apt install user-mode-linux), or use the simulator: --fabric sim',
  }),
  'uml-died': row<{ ended: string; said: string }>({
    status: 500,
    say: (d) =>
      `the kernel in User Mode Linux died (${d.ended}); it last said: ${d.said || 'nothing'}`,
    mend: () => 'run it again; on this kernel, as root: --fabric kernel',
  }),
  'command-missing': row<{ command: string; why: string }>({
    status: 404,
    errno: 'ENOENT',
    say: (d) => `cannot run "${d.command}": ${d.why}`,
  }),
  'file-unreadable': row<{ file: string; why: string }>({
    status: 404,
    errno: 'ENOENT',
    say: (d) => `${d.file}: ${d.why}`,
  }),
  'file-unwritable': row<{ file: string; why: string }>({
    status: 403,
    errno: 'EACCES',
    say: (d) => `${d.file} cannot be written: ${d.why}`,
  }),
  usage: row<{ sentence: string; help: string }>({
    status: 400,
    errno: 'EINVAL',
    say: (d) => d.sentence,
    mend: (d) => `see "${d.help}"`,
  }),
  // -- netlink
  'netlink-refused': row<{ type: number; errno: string; extack: string | undefined }>({
    status: 500,
    say: (d) => `the kernel refused netlink request ${d.type}: ${d.extack ?? d.errno} (${d.errno})`,
  }),
  'netlink-lost': row<{ count: number }>({
    status: 500,
    errno: 'ENOBUFS',
    say: (d) => `the kernel's answers to ${d.count} netlink requests were lost`,
    mend: () => 'take a snapshot to see what was done, then repeat',
  }),
  // -- store
  'store-corrupt': row<{ store: string; why: string }>({
    status: 500,
    errno: 'EUCLEAN',
    say: (d) => `the store ${d.store} cannot be used: ${d.why}`,
    mend: (d) =>
      `nothing in it was changed; put a copy of it back, or move it away (mv ${d.store} ${d.store}.bad) and make the networks anew`,
  }),
  'store-full': row<{ store: string; why: string; mend?: string }>({
    status: 507,
    errno: 'ENOSPC',
    say: (d) => `the store ${d.store} has no room for the change: ${d.why}`,
    mend: (d) => d.mend ?? 'free some space and repeat; all that was answered before is kept',
  }),
  'store-unavailable': row<{ store: string; why: string; mend?: string }>({
    status: 503,
    errno: 'EAGAIN',
    say: (d) => `the store ${d.store} does not answer: ${d.why}`,
    mend: (d) => d.mend ?? 'repeat it; if it was done already the answer will be the same',
  }),
  'store-denied': row<{ store: string; why: string; mend?: string }>({
    status: 403,
    errno: 'EACCES',
    say: (d) => `the store ${d.store} may not be opened: ${d.why}`,
    mend: (d) => d.mend ?? 'run it as root (sudo), or ask the daemon, which is root already',
  }),
  'store-address-invalid': row<{ text: string; why: string }>({
    status: 400,
    errno: 'EINVAL',
    say: (d) => `"${d.text}" does not say where a store is: ${d.why}`,
    mend: () =>
      'write etcd://HOST:2379[,HOST:2379...][/PREFIX], or the path of a file that names endpoints, user and certificates',
  }),
  'store-differs': row<{
    state: string
    belongs: string | undefined
    asked: string | undefined
  }>({
    status: 409,
    errno: 'EBUSY',
    say: (d) =>
      `the state in ${d.state} belongs to ${d.belongs === undefined ? 'a file of its own' : `the store ${d.belongs}`}, not to ${d.asked ?? 'a file of its own'}`,
    mend: (d) => {
      const [from, to] = [d.belongs ?? 'file', d.asked ?? 'file']
      const move = `move all: "lanyard store migrate --from ${from} --to ${to}"`
      return d.belongs === undefined
        ? `${move}; what is in the file would be taken for leftovers`
        : `name it (--store ${d.belongs}, or LANYARD_STORE), or ${move}`
    },
  }),
  'store-alone': row<Record<string, never>>({
    status: 400,
    errno: 'EINVAL',
    say: () => 'this host has its store for itself: no others share it',
    mend: () => 'name the etcd that hosts share: --store etcd://HOST:2379, or LANYARD_STORE',
  }),
  'store-not-empty': row<{ store: string }>({
    status: 409,
    errno: 'ENOTEMPTY',
    say: (d) => `the store ${d.store} has records already, and they would be mixed with others`,
    mend: (d) =>
      d.store === 'file'
        ? 'move store.lmdb in the state folder (--state) out of the way'
        : 'name an empty one: another prefix (etcd://HOST:2379/other) is one, too',
  }),
  'store-shared': row<{ hosts: number }>({
    status: 409,
    errno: 'EBUSY',
    say: (d) => `${d.hosts} hosts have records in it, and a file is one host's`,
    mend: () => 'forget the others first: "lanyard host forget HOST"',
  }),
  'backup-broken': row<{ path: string; why: string }>({
    status: 400,
    errno: 'EINVAL',
    say: (d) => `${d.path} cannot be put back: ${d.why}`,
    mend: () => 'name a file that "lanyard store backup" wrote',
  }),
  'label-invalid': row<{ text: string }>({
    status: 400,
    errno: 'EINVAL',
    say: (d) => `"${d.text}" is no label: NAME=LINK is, of letters, digits, "_" and "-"`,
  }),
  'store-request-invalid': row<{ why: string }>({
    status: 400,
    errno: 'EINVAL',
    say: (d) => `the store was asked for what it cannot do: ${d.why}`,
  }),
  // -- ipam
  'pool-overlap': row<{ subnet: string; segment: string; other: string; network: string }>({
    status: 409,
    errno: 'EEXIST',
    say: (d) =>
      `Pool overlaps with other one on this address space: ${d.subnet} and ${d.other} of network` +
      ` "${d.network}" in segment ${d.segment}`,
    mend: (d) =>
      `take exactly ${d.other} (networks of one segment may share a subnet), or one that lies apart`,
  }),
  'pool-invalid': row<{ network: string; why: string }>({
    status: 400,
    errno: 'EINVAL',
    say: (d) => `network "${d.network}" cannot have these addresses: ${d.why}`,
  }),
  'pool-missing': row<{ network: string; segment: string }>({
    status: 404,
    errno: 'ENOENT',
    say: (d) => `network "${d.network}" has no addresses in segment ${d.segment}`,
  }),
  'pool-in-use': row<{ network: string; endpoints: readonly string[] }>({
    status: 409,
    errno: 'EBUSY',
    say: (d) => `endpoints of network "${d.network}" hold addresses: ${d.endpoints.join(', ')}`,
    mend: () => 'disconnect them first',
  }),
  'spare-refused': row<{ network: string; why: string }>({
    status: 503,
    errno: 'EAGAIN',
    say: (d) => `the store does not answer, and of network ${d.network} ${d.why}`,
    mend: () =>
      'ask again when the store answers; until then an endpoint that names no address and no MAC takes a spare',
  }),
  'pool-exhausted': row<{ network: string; pools: string; size: string; spares?: string }>({
    status: 409,
    errno: 'ENOSPC',
    say: (d) =>
      `no available addresses on this network's address pools: ${d.network}: all ${d.size} of` +
      ` ${d.pools} are taken or rest${d.spares === undefined ? '' : `, as spares ${d.spares}`}`,
    mend: (d) =>
      `"lanyard ip ls ${d.network}" says by whom; free one, or widen the range` +
      (d.spares === undefined ? '' : '; "lanyard host drain HOST" has a host give its spares back'),
  }),
  'address-in-use': row<{ address: string; holder: string; network: string }>({
    status: 409,
    errno: 'EADDRINUSE',
    say: (d) => `Address already in use: ${d.address} is held by ${d.holder} of "${d.network}"`,
    mend: () => 'take another address, or take that one away from its holder first',
  }),
  'address-not-usable': row<{ address: string; network: string; why: string }>({
    status: 400,
    errno: 'EADDRNOTAVAIL',
    say: (d) => `Invalid address ${d.address} in network "${d.network}": ${d.why}`,
    mend: (d) =>
      `"lanyard ip next ${d.network}" says which is free; for an endpoint that is the gateway itself make the network without --gateway`,
  }),
  'lease-differs': row<{ network: string; endpoint: string; holds: string; wanted: string }>({
    status: 409,
    errno: 'EEXIST',
    say: (d) =>
      `endpoint "${d.endpoint}" of network "${d.network}" holds ${d.holds}, not ${d.wanted}`,
    mend: () => 'disconnect it first',
  }),
  'lease-elsewhere': row<{ network: string; endpoint: string; host: string }>({
    status: 409,
    errno: 'EEXIST',
    say: (d) =>
      `endpoint with name ${d.endpoint} already exists in network ${d.network}: it is on host ${d.host}`,
    mend: (d) =>
      `take another name, or take that one away there: "lanyard network disconnect ${d.network} ${d.endpoint}"; of a host that is gone for good: "lanyard host forget ${d.host}"`,
  }),
  'mac-in-use': row<{ mac: string; segment: string; holder: string; network: string }>({
    status: 409,
    errno: 'EADDRINUSE',
    say: (d) =>
      `MAC address ${d.mac}: address already in use by ${d.holder} of "${d.network}" in segment ${d.segment}`,
    mend: () => 'take another, or leave it out: one is made that nobody bears',
  }),
} as const

/** Every code a {@link LanyardError} can carry. */
export type ErrorCode = keyof typeof TABLE

/** The typed detail that goes with a code. */
export type ErrorDetail<C extends ErrorCode> = Parameters<(typeof TABLE)[C]['say']>[0]

/**
 * The one error class of Lanyard.
 *
 * @example
 * ```ts
 * throw new LanyardError('netns-missing', { netns: 'ns1' })
 * ```
 */
export class LanyardError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'LanyardError'
  readonly code: C
  readonly detail: ErrorDetail<C>

  constructor(code: C, detail: ErrorDetail<C>, options?: { readonly cause?: unknown }) {
    super((TABLE[code] as unknown as Row<ErrorDetail<C>>).say(detail), options)
    this.code = code
    this.detail = detail
  }

  /** HTTP status a door answers with. */
  get status(): number {
    return TABLE[this.code].status
  }

  /** The errno name that fits, where one does. */
  get errno(): string | undefined {
    return (TABLE[this.code] as Row<never>).errno
  }

  /** What would mend it, where the table knows. */
  get mend(): string | undefined {
    const r = TABLE[this.code] as unknown as Row<ErrorDetail<C>>
    return r.mend?.(this.detail)
  }
}

/** All codes, for the generated reference page. */
export const ERROR_CODES: readonly ErrorCode[] = Object.keys(TABLE) as ErrorCode[]

/** HTTP status and errno of a code, for the generated reference page. */
export function describeCode(code: ErrorCode): { status: number; errno: string | undefined } {
  return { status: TABLE[code].status, errno: (TABLE[code] as Row<never>).errno }
}
