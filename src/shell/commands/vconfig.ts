/** `vconfig`: Debian's script that turns the old words into `ip link`. */
import { takeView } from '../request.ts'
import { type Command, failed, type Output } from '../session.ts'

const WARNING =
  'Warning: vconfig is deprecated and might be removed in the future, ' +
  'please migrate to ip(route2) as soon as possible!\n\n'

/** @param ip the `ip` command that does the work */
export function vconfigCommand(ip: Command): Command {
  return async (session, words) => {
    const [verb, device, id] = words
    if (verb === 'add' && device !== undefined && id !== undefined) {
      const name = `${device}.${id}`
      const line = ['link', 'add', 'link', device, 'name', name, 'type', 'vlan', 'id', id]
      return warned(await ip(session, line, ''), 3)
    }
    if (verb === 'rem' && device !== undefined) {
      return warned(await ip(session, ['link', 'delete', device], ''), 4)
    }
    if (verb === 'set_flag' && words.slice(2).join(' ') === '1 1' && device !== undefined) {
      // Flag 1 is REORDER_HDR: on is how every VLAN begins, nothing is left to do.
      const view = await takeView(session, session.netns)
      const link = view?.netns.links.find((l) => l.name === device)
      if (link?.vlan?.reorderHeader === true) {
        return { code: 0, stdout: `${device} 1 1\n`, stderr: WARNING }
      }
    }
    const text = `lanyard: "vconfig ${words.join(' ')}" is not part of this shell yet\n`
    return failed(127, text)
  }
}

/** The script's own exit code when ip failed. */
function warned(out: Output, code: number): Output {
  return { ...out, code: out.code === 0 ? 0 : code, stderr: WARNING + out.stderr }
}
