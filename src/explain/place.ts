/** Steps of a trace as places with names. */
import type { World } from '../sim/model.ts'
import type { RawStep } from '../sim/trace-ring.ts'
import type { Answer } from './ask.ts'
import type { Question } from './question.ts'
import type { Place } from './types.ts'
import { wayOf } from './way.ts'

/** Where a step was. */
export function placeOf(world: World, step: RawStep): Place {
  const link = step.device < 0 ? undefined : world.devices[step.device]
  const to = step.to < 0 ? undefined : world.devices[step.to]
  // What belongs to another namespace is the way there: the place is where it was decided.
  return {
    netns: world.netnsById[step.netns]?.name ?? '',
    link: link?.name,
    toLink: to?.netns.id === step.netns ? to.name : undefined,
    frame: step.frame,
  }
}

/** Links the messages of an exchange passed. */
export function visitedBy(
  world: World,
  answer: Answer,
  question: Question,
): { netns: string; link: string }[] {
  const legs = wayOf(world, answer.steps, answer.end, question.port)
  const all = legs.flatMap((leg) =>
    leg.hops.flatMap((hop) => hop.links.map((link) => ({ netns: hop.netns, link }))),
  )
  return [...new Map(all.map((at) => [`${at.netns} ${at.link}`, at])).values()]
}
