/** `vconfig`: Debian's script that turns the old words into `ip link`, line by line. */
import { takeView } from '../request.ts'
import { type Command, failed, type Output, type Session } from '../session.ts'

const WARNING =
  '\nWarning: vconfig is deprecated and might be removed in the future, ' +
  'please migrate to ip(route2) as soon as possible!\n\n'

const USAGE = `
Usage: add             [interface-name] [vlan_id]
       rem             [vlan-name]
       set_flag        [interface-name] [flag-num]       [0 | 1]
       set_egress_map  [vlan-name]      [skb_priority]   [vlan_qos]
       set_ingress_map [vlan-name]      [skb_priority]   [vlan_qos]
       set_name_type   [name-type]

* The [interface-name] is the name of the ethernet card that hosts
  the VLAN you are talking about.
* The vlan_id is the identifier (0-4095) of the VLAN you are operating on.
* skb_priority is the priority in the socket buffer (sk_buff).
* vlan_qos is the 3 bit priority in the VLAN header
* name-type:  VLAN_PLUS_VID (vlan0005), VLAN_PLUS_VID_NO_PAD (vlan5),
              DEV_PLUS_VID (eth0.0005), DEV_PLUS_VID_NO_PAD (eth0.5)
* FLAGS:  1 REORDER_HDR  When this is set, the VLAN device will move the
            ethernet header around to make it look exactly like a real
            ethernet device.  This may help programs such as DHCPd which
            read the raw ethernet packet and make assumptions about the
            location of bytes.  If you don't need it, don't turn it on, because
            there will be at least a small performance degradation.  Default
            is OFF.
`
/** Where `set_name_type` keeps how links are called. */
const NAME_TYPE_FILE = '/run/network/vlan/name-type'

/** @param ip the `ip` command that does the work */
export function vconfigCommand(ip: Command): Command {
  return async (session, words) => {
    const [verb, device = '', id = ''] = words
    if (words.length < 2 || words.length > 4) {
      const text = `Expecting argc to be 3-5, inclusive.  Was: ${words.length + 1}\n`
      return failed(1, `${WARNING}${text}`, USAGE)
    }
    if (verb === 'add') {
      const name = nameOf(session, device, id)
      const line = ['link', 'add', 'link', device, 'name', name, 'type', 'vlan', 'id', id]
      return warned(await ip(session, line, ''), 3)
    }
    if (verb === 'rem') return warned(await ip(session, ['link', 'del', device], ''), 4)
    if (verb === 'set_flag') return setFlag(session, words.slice(1))
    if (verb === 'set_name_type' && session.machine?.disk !== undefined) {
      session.machine.disk.write(NAME_TYPE_FILE, `${device}\n`)
      return warned(failed(0, ''), 8)
    }
    if (['set_egress_map', 'set_ingress_map', 'set_name_type'].includes(verb as string)) {
      return failed(127, `lanyard: "vconfig ${words.join(' ')}" is not part of this shell yet\n`)
    }
    return warned(failed(5, `Unknown command: ${verb}\n`), 5)
  }
}

function nameOf(session: Session, device: string, id: string): string {
  const type = session.machine?.disk?.read(NAME_TYPE_FILE)?.trim()
  const padded = id.padStart(4, '0')
  if (type === undefined || type === 'DEV_PLUS_VID_NO_PAD') return `${device}.${id}`
  if (type === 'VLAN_PLUS_VID') return `vlan${padded}`
  if (type === 'VLAN_PLUS_VID_NO_PAD') return `vlan${id}`
  return type === 'DEV_PLUS_VID' ? `${device}.${padded}` : ''
}

/**
 * The script sets REORDER_HDR, whatever flag is named. On is how every VLAN begins: then nothing is
 * left to do.
 */
async function setFlag(session: Session, words: readonly string[]): Promise<Output> {
  const [device = '', flag = '', value = ''] = words
  const said = `${device} ${flag} ${value}\n`
  if (value !== '0' && value !== '1') {
    return { ...warned(failed(7, 'Invalid flag parameter specified\n'), 7), stdout: said }
  }
  const links = (await takeView(session, session.netns))?.netns.links ?? []
  const link = links.find((l) => l.name === device)
  if (link === undefined) {
    return { ...warned(failed(7, `Cannot find device "${device}"\n`), 7), stdout: said }
  }
  if (link.vlan === undefined) {
    const text = 'RTNETLINK answers: Operation not supported\n'
    return { ...warned(failed(7, text), 7), stdout: said }
  }
  if (link.vlan.reorderHeader && value === '1') {
    return { ...warned(failed(0, ''), 0), stdout: said }
  }
  const text = `lanyard: "vconfig set_flag ${words.join(' ')}" is not part of this shell yet\n`
  return failed(127, text)
}

/** The script's own exit code when ip failed. */
function warned(out: Output, code: number): Output {
  return { ...out, code: out.code === 0 ? 0 : code, stderr: WARNING + out.stderr }
}
