/** `qdisc.*`: a netem at the root of a device (net/sched/sch_api.c `tc_modify_qdisc`). */
import type { QdiscChange } from '../fabric/netem.ts'
import { tidy } from '../fabric/netem.ts'
import { setNetem } from './device.ts'
import type { Refusal, World } from './model.ts'
import { netemState } from './netem.ts'
import { ENODEV, ENOENT, refuse } from './refusal.ts'

export function changeQdisc(world: World, op: QdiscChange): Refusal | undefined {
  const netns = world.netns.get(op.netns)
  if (netns === undefined) return ENOENT
  const dev = netns.byName.get(op.link)
  if (dev === undefined) return ENODEV
  const there = dev.netem
  if (op.do === 'qdisc.del') {
    if (there === undefined) return refuse('ENOENT', 'Cannot delete qdisc with handle of zero')
    setNetem(dev, undefined)
    return undefined
  }
  if (world.traits.missingKinds.includes('netem')) {
    return refuse('ENOENT', 'Specified qdisc kind is unknown')
  }
  if (there === undefined) {
    if (op.do === 'qdisc.change') {
      return refuse('ENOENT', 'Qdisc not found. To create specify NLM_F_CREATE flag')
    }
    setNetem(dev, netemState(tidy(op.netem), world.nextHandle++))
    return undefined
  }
  if (op.do === 'qdisc.add') return refuse('EEXIST', 'Exclusivity flag on, cannot modify')
  // netem_change: what waits goes on waiting, a rate that is not named stays
  const { rateBits } = there.netem
  const kept = rateBits === undefined ? {} : { rateBits }
  dev.netem = { ...there, netem: tidy({ ...kept, ...op.netem }) }
  return undefined
}
