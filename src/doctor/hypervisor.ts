/** Hypervisors and clouds: which switch of theirs lets a second MAC through, or that none does. */
import { formatMac } from '../addr/mac.ts'
import type { Facts, MachineFacts } from './facts.ts'
import { hostLink } from './view.ts'

export interface Hypervisor {
  readonly name: string
  /** A cloud that delivers nothing to MACs it did not hand out. */
  readonly refuses: boolean
  readonly remedy: readonly string[]
}

const HYPERVISORS = {
  vmware: {
    name: 'VMware',
    refuses: false,
    remedy: [
      'ESXi: on the port group set Promiscuous mode, Forged transmits and MAC address changes to Accept',
      'Workstation: run it as root, or chmod a+rw /dev/vmnet*; Fusion: Preferences > Network',
    ],
  },
  virtualbox: {
    name: 'VirtualBox',
    refuses: false,
    remedy: ['VBoxManage modifyvm NAME --nicpromisc1 allow-all (network: bridged adapter)'],
  },
  hyperv: {
    name: 'Hyper-V',
    refuses: false,
    remedy: [
      'Set-VMNetworkAdapter -VMName NAME -MacAddressSpoofing On (PowerShell on the host)',
      'in WSL2 there is no such switch: use ipvlan, or a machine of its own',
    ],
  },
  proxmox: {
    name: 'Proxmox VE',
    refuses: false,
    remedy: [
      'in the firewall options of the VM: MAC filter off (or no firewall on its network device)',
    ],
  },
  kvm: {
    name: 'KVM',
    refuses: false,
    remedy: [
      'a macvtap network: trustGuestRxFilters="yes" on the interface; a bridge: no clean-traffic filter',
    ],
  },
  xen: {
    name: 'Xen',
    refuses: false,
    remedy: [
      'XenServer: xe vif-param-set uuid=... locking-mode=unlocked, or a bridge without ebtables rules',
    ],
  },
  parallels: {
    name: 'Parallels',
    refuses: false,
    remedy: ['network of the VM: bridged, to a cable (not to Wi-Fi)'],
  },
  aws: cloud('Amazon EC2', 'more addresses on the network interface (assign-private-ip-addresses)'),
  gcp: cloud('Google Compute Engine', 'alias IP ranges of the instance'),
  azure: cloud('Microsoft Azure', 'more IP configurations on the network interface'),
  digitalocean: cloud('DigitalOcean', 'a reserved IP'),
  hetzner: cloud('Hetzner Cloud', 'alias IPs of the private network'),
  alibaba: cloud('Alibaba Cloud', 'secondary private IPs'),
  openstack: {
    name: 'OpenStack',
    refuses: false,
    remedy: ['openstack port set --allowed-address mac-address=...,ip-address=... PORT'],
  },
} as const satisfies Record<string, Hypervisor>

function cloud(name: string, how: string): Hypervisor {
  return {
    name,
    refuses: true,
    remedy: [`ipvlan in mode l3 (-d ipvlan -o ipvlan_mode=l3), with ${how} for its addresses`],
  }
}

/** Words of DMI, the narrowest first. */
const WORDS: readonly (readonly [RegExp, keyof typeof HYPERVISORS])[] = [
  [/amazon ec2/i, 'aws'],
  [/google compute engine/i, 'gcp'],
  [/digitalocean/i, 'digitalocean'],
  [/hetzner/i, 'hetzner'],
  [/alibaba cloud/i, 'alibaba'],
  [/openstack/i, 'openstack'],
  [/proxmox/i, 'proxmox'],
  [/vmware/i, 'vmware'],
  [/virtualbox|innotek/i, 'virtualbox'],
  [/parallels/i, 'parallels'],
  [/\bxen\b/i, 'xen'],
  [/qemu|kvm/i, 'kvm'],
]

/** The tag every Azure machine has. */
const AZURE_TAG = '7783-7084-3265-9085-8269-3286-77'

/** First three bytes of the MACs they hand out. */
const OUIS: Readonly<Record<string, keyof typeof HYPERVISORS>> = {
  '00:0c:29': 'vmware',
  '00:50:56': 'vmware',
  '00:05:69': 'vmware',
  '08:00:27': 'virtualbox',
  '00:15:5d': 'hyperv',
  'bc:24:11': 'proxmox',
  '52:54:00': 'kvm',
  '00:16:3e': 'xen',
  '00:1c:42': 'parallels',
}

/** What this machine runs under, as far as it says. */
export function hypervisorOf(facts: Facts, parent: string | undefined): Hypervisor | undefined {
  const mac = parent === undefined ? undefined : hostLink(facts, parent)?.address
  const byMac = mac === undefined ? undefined : OUIS[formatMac(mac).slice(0, 8)]
  // Proxmox calls itself QEMU: only the MAC tells.
  if (byMac === 'proxmox') return HYPERVISORS.proxmox
  const found = byDmi(facts.machine, facts.kernel.release) ?? byMac
  return found === undefined ? undefined : HYPERVISORS[found]
}

function byDmi(machine: MachineFacts, release: string): keyof typeof HYPERVISORS | undefined {
  const { vendor, product, board, assetTag } = machine
  if (assetTag === AZURE_TAG) return 'azure'
  const text = [vendor, product, board].filter((t) => t !== undefined).join(' ')
  if (/microsoft/i.test(text) && /virtual/i.test(text)) return 'hyperv'
  if (/microsoft/i.test(release)) return 'hyperv'
  return WORDS.find(([pattern]) => pattern.test(text))?.[1]
}
