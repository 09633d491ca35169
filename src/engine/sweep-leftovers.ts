/** Links that bear our marks and belong to no record: of doors that died half-way. */
import { endpointAlias, isOurs, parentAlias } from '../driver/names.ts'
import type { LinkSnapshot, Snapshot } from '../fabric/snapshot.ts'
import { applyGently } from './context.ts'
import type { Desired, Sweep } from './walk.ts'

const GONE = ['ENODEV', 'ENOENT'] as const

/**
 * Only links that sit on a parent in our host's namespace are looked at: another installation (in a
 * namespace of its own) marks its links the same way.
 */
export async function sweepLeftovers(
  walk: Sweep,
  desired: Desired,
  snapshot: Snapshot,
): Promise<void> {
  const { context } = walk
  const sandboxes = new Map<string, string>()
  for (const { network, name, sandbox } of desired.endpoints)
    sandboxes.set(endpointAlias(network, name), sandbox)
  const parents = new Set(desired.networks.map((one) => parentAlias(one.parentLink)))
  for (const { name: netns, links } of snapshot.netns) {
    for (const link of links) {
      if (!isOurs(link) || !isHere(link, netns, context.host)) continue
      const alias = link.alias ?? ''
      if (alias.startsWith('lanyard:host:') || parents.has(alias)) continue
      const sandbox = sandboxes.get(alias)
      if (sandbox !== undefined && isPlace(sandbox, netns, link, context.host)) continue
      const what = `link ${link.name}${netns === '' ? '' : ` in namespace ${netns}`} (${alias}) belongs to nothing`
      const fix = async () => {
        await applyGently(context, [{ do: 'link.del', netns, name: link.name }], GONE)
        if (netns === context.host) context.view.forget()
      }
      await walk.found({ network: networkOf(alias) }, what, { how: 'removed', fix })
    }
  }
}

function isHere(link: LinkSnapshot, netns: string, host: string): boolean {
  return netns === host || link.parent?.netns === host
}

/** Whether a link may be in that namespace; paths and processes may be any of the named ones. */
function isPlace(sandbox: string, netns: string, link: LinkSnapshot, host: string): boolean {
  if (netns === host && link.kind === 'veth') return true
  return sandbox === netns || sandbox.startsWith('/') || sandbox.startsWith('pid:')
}

function networkOf(alias: string): string {
  const rest = alias.slice('lanyard:'.length)
  return rest.includes('/') ? rest.slice(0, rest.indexOf('/')) : ''
}
