/** A plan in which no two links of any namespace have the same name. */
import type { LinkSpec, Op, Plan } from '../../src/fabric/plan.ts'

/** @param prefix of every new name */
export function withDistinctLinks(plan: Plan, prefix: string): Op[] {
  const names = new Map<string, string>()
  let number = 0
  const key = (netns: string, name: string): string => `${netns} ${name}`
  const get = (netns: string, name: string): string => names.get(key(netns, name)) ?? name
  const make = (netns: string, name: string): string => {
    const known = names.get(key(netns, name))
    // The second of a name is refused: it asks for the same.
    if (known !== undefined || name === 'lo') return known ?? name
    const made = `${prefix}${(number++).toString(36)}`
    names.set(key(netns, name), made)
    return made
  }
  return plan.map((op): Op => {
    if (op.do === 'link.add') return addOf(op, get, make)
    if (op.do === 'link.del') {
      const name = get(op.netns, op.name)
      names.delete(key(op.netns, op.name))
      return { ...op, name }
    }
    if (op.do === 'link.set') {
      const name = get(op.netns, op.name)
      const { newNetns, newName, master } = op
      if (newNetns !== undefined) names.set(key(newNetns, newName ?? op.name), name)
      if (newName !== undefined && newName !== 'lo') names.set(key(op.netns, newName), name)
      const { newName: _, ...rest } = op
      return {
        ...rest,
        ...(newName === 'lo' ? { newName } : {}),
        name,
        ...(typeof master === 'string' ? { master: get(op.netns, master) } : {}),
      }
    }
    if (op.do === 'sysctl.set') {
      const renamed = op.key.replace(
        /^(net\.ipv[46]\.(?:conf|neigh)\.)([^.]+)\./,
        (all, head: string, link: string) => `${head}${get(op.netns, link) || all}.`,
      )
      return { ...op, key: renamed }
    }
    if ('link' in op && typeof op.link === 'string') return { ...op, link: get(op.netns, op.link) }
    if ('bridge' in op && typeof op.bridge === 'string') {
      return { ...op, bridge: get(op.netns, op.bridge) }
    }
    return op
  })
}

type Named = (netns: string, name: string) => string

function addOf(op: Extract<Op, { do: 'link.add' }>, get: Named, make: Named): Op {
  const name = make(op.netns, op.name)
  return { ...op, name, spec: specOf(op.spec) }

  function specOf(spec: LinkSpec): LinkSpec {
    if (spec.kind === 'veth') {
      const { peer } = spec
      return { ...spec, peer: { ...peer, name: make(peer.netns ?? op.netns, peer.name) } }
    }
    if ('parent' in spec && typeof spec.parent === 'string') {
      return { ...spec, parent: get(op.parentNetns ?? op.netns, spec.parent) }
    }
    return spec
  }
}
