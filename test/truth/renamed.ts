/**
 * A fabric whose namespaces bear another name than its callers use: so that the same rows can be
 * replayed in several places of one kernel at a time.
 */
import type { Fabric } from '../../src/fabric/fabric.ts'
import type { Op, Plan } from '../../src/fabric/plan.ts'
import type { LinkSnapshot, Snapshot } from '../../src/fabric/snapshot.ts'

/** Names the rows use for their namespaces; nothing else is touched. */
const OURS = /^krn/

/** @param suffix put behind the name of every namespace of the rows */
export function renamed(fabric: Fabric, suffix: string): Fabric {
  const there = (name: string) => (OURS.test(name) ? name + suffix : name)
  const here = (name: string) => (name.endsWith(suffix) ? name.slice(0, -suffix.length) : name)
  return {
    kind: fabric.kind,
    clock: fabric.clock,
    async apply(plan: Plan, options) {
      const outcomes = await fabric.apply(
        plan.map((op) => renamedOp(op, there)),
        options,
      )
      return outcomes.map((o) => (o.ok ? o : { ...o, op: plan[o.index] ?? o.op }))
    },
    async snapshot(options = {}) {
      const netns = options.netns?.map(there)
      return renamedSnapshot(await fabric.snapshot(netns === undefined ? {} : { netns }), here)
    },
    probe: (probes, options) =>
      fabric.probe(
        probes.map((p) => ({ ...p, from: there(p.from) })),
        options,
      ),
    watch: (netns, onEvent) =>
      fabric.watch(netns.map(there), (e) => onEvent({ ...e, netns: here(e.netns) })),
    openPort: (netns, link, onFrame, options) =>
      fabric.openPort(there(netns), link, onFrame, options),
    listen: (netns, service) => fabric.listen(there(netns), service),
    settle: (options = {}) => {
      const { netns, ...rest } = options
      return fabric.settle(netns === undefined ? rest : { ...rest, netns: netns.map(there) })
    },
    close: () => fabric.close(),
  }
}

function renamedOp(op: Op, there: (name: string) => string): Op {
  if (op.do === 'link.add') {
    const { spec } = op
    const peer =
      spec.kind === 'veth' && spec.peer.netns !== undefined
        ? { ...spec, peer: { ...spec.peer, netns: there(spec.peer.netns) } }
        : spec
    return {
      ...op,
      netns: there(op.netns),
      spec: peer,
      ...(op.parentNetns === undefined ? {} : { parentNetns: there(op.parentNetns) }),
    }
  }
  if (op.do === 'link.set' && op.newNetns !== undefined) {
    return { ...op, netns: there(op.netns), newNetns: there(op.newNetns) }
  }
  return { ...op, netns: there(op.netns) }
}

function renamedSnapshot(snapshot: Snapshot, here: (name: string) => string): Snapshot {
  const link = (l: LinkSnapshot): LinkSnapshot =>
    l.parent?.netns === undefined ? l : { ...l, parent: { ...l.parent, netns: here(l.parent.netns) } }
  return {
    netns: snapshot.netns.map((n) => ({ ...n, name: here(n.name), links: n.links.map(link) })),
  }
}
