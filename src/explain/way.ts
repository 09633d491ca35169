/**
 * The way of an exchange: from the steps of a trace, in which every copy of a flooded frame stands,
 * back from where a message ended to where it began. What lies beside that line is only counted.
 */
import type { Device, World } from '../sim/model.ts'
import type { RawStep } from '../sim/trace-ring.ts'
import type { Frame } from '../wire/frame.ts'
import { isAnswer, messagesOf } from './decide.ts'
import type { Hop, Leg } from './types.ts'

/** Legs of an exchange, in the order its messages were first seen. */
export function wayOf(
  world: World,
  steps: readonly RawStep[],
  end: RawStep | undefined,
  port: number | undefined,
): Leg[] {
  const groups = new Map<string, RawStep[]>()
  for (const { step, message } of messagesOf(steps, port)) {
    const group = groups.get(message)
    if (group === undefined) groups.set(message, [step])
    else group.push(step)
  }
  // The one that ended is told last, whenever it began.
  const isEnd = (group: readonly RawStep[]) => (end !== undefined && group.includes(end) ? 1 : 0)
  const all = [...groups].toSorted(([, a], [, b]) => isEnd(a) - isEnd(b))
  const answered = (i: number): RawStep | undefined =>
    all.slice(i + 1).find(([name]) => answers(name, all[i]?.[0] ?? ''))?.[1][0]
  const legs: Leg[] = []
  for (const [i, [name, group]] of all.entries()) {
    const decided = end !== undefined && group.includes(end)
    const last = decided ? end : lastOf(group, answered(i) ?? all[i + 1]?.[1][0])
    if (last === undefined) continue
    const hops = hopsOf(world, group, last, decided)
    if (hops.length > 0) {
      legs.push({
        message: wordOf((group[0] as RawStep).frame),
        back: isAnswer(name),
        arrived: !decided,
        hops,
      })
    }
    if (decided) break
  }
  return end?.reason === 'NO_ROUTE_BACK' ? splitReply(legs) : legs
}

/** A request that arrived and whose reply found no way out is two legs. */
function splitReply(legs: readonly Leg[]): Leg[] {
  const last = legs.at(-1)
  const hop = last?.hops.at(-1)
  if (last === undefined || hop === undefined) return [...legs]
  const there = [...last.hops.slice(0, -1), { ...hop, decisive: false }]
  const message = last.message.replace('request', 'reply')
  return [
    ...legs.slice(0, -1),
    { ...last, arrived: true, hops: there },
    { message, back: true, arrived: false, hops: [{ ...hop, copies: 0, frame: undefined }] },
  ]
}

/** Whether one message, by its name, is the kind of answer another gets. */
function answers(name: string, asked: string): boolean {
  const kind = (text: string) => text.slice(0, text.indexOf(' '))
  return kind(name) === kind(asked) && isAnswer(name) && !isAnswer(asked)
}

/** Where a message that did its work was taken: where the next one begins. */
function lastOf(group: readonly RawStep[], next: RawStep | undefined): RawStep | undefined {
  const good = group.filter((s) => s.reason === undefined)
  const there = next === undefined ? [] : good.filter((s) => s.netns === next.netns)
  return there.at(-1) ?? good.findLast((s) => s.action === 'consume') ?? good.at(-1)
}

function hopsOf(world: World, group: readonly RawStep[], last: RawStep, decided: boolean): Hop[] {
  const chain = chainTo(world, group, last)
  const on = new Set(chain)
  const hops: Hop[] = []
  for (const step of chain) {
    const links = [nameOf(world, step.device)]
    const decisive = decided && step === last
    if (decisive && step.to >= 0 && step.to !== step.device) links.push(nameOf(world, step.to))
    const netns = world.netnsById[step.netns]?.name ?? ''
    const before = hops.at(-1)
    if (before !== undefined && before.netns === netns) {
      const more = links.filter((l, i) => l !== '' && (i > 0 || l !== before.links.at(-1)))
      hops[hops.length - 1] = {
        ...before,
        links: [...before.links, ...more],
        action: step.action,
        frame: step.frame,
        decisive,
      }
      continue
    }
    const { timeNs, action, frame } = step
    hops.push({
      timeNs,
      netns,
      links: links.filter((l) => l !== ''),
      action,
      copies: 0,
      frame,
      decisive,
    })
  }
  return countCopies(world, group, on, hops)
}

/** Other links a hop's frame was flooded to. */
function countCopies(
  world: World,
  group: readonly RawStep[],
  on: ReadonlySet<RawStep>,
  hops: readonly Hop[],
): Hop[] {
  const visited = new Set(hops.map((h) => h.netns))
  return hops.map((hop) => {
    const beside = new Set(
      group
        .filter((s) => s.action === 'flood' && !on.has(s))
        .filter((s) => world.netnsById[s.netns]?.name === hop.netns && visited.has(hop.netns))
        .map((s) => nameOf(world, s.to))
        .filter((name) => !hop.links.includes(name)),
    )
    return { ...hop, copies: beside.size }
  })
}

/** The steps that lead to one, oldest first. */
function chainTo(world: World, group: readonly RawStep[], last: RawStep): RawStep[] {
  const chain = [last]
  let at = group.indexOf(last)
  let step = last
  while (at > 0) {
    const here = step
    at = findLastIndex(group, at - 1, (earlier) => leadsTo(world, earlier, here))
    if (at < 0) break
    step = group[at] as RawStep
    chain.unshift(step)
  }
  return chain
}

function findLastIndex(
  group: readonly RawStep[],
  from: number,
  is: (step: RawStep) => boolean,
): number {
  for (let i = from; i >= 0; i--) if (is(group[i] as RawStep)) return i
  return -1
}

/** Whether a frame that was at one step can have come to another directly. */
function leadsTo(world: World, a: RawStep, b: RawStep): boolean {
  if (a.reason !== undefined) return false
  const from = world.devices[a.device]
  const to = world.devices[b.device]
  if (from === undefined || to === undefined) return false
  if (a.action !== 'deliver' && a.action !== 'tx' && a.to === to.id) return true
  if (a.action === 'flood') return false
  if (a.action === 'tx' && from.peer === to) return b.action !== 'tx'
  if (from === to) return true
  if (a.action === 'tx' && from.lower === to) return b.action === 'tx'
  if (a.action === 'rx' && to.lower === from) return b.action !== 'tx'
  // Through the stack of a router: in by one link, out by another.
  const stack = a.action === 'route' || a.action === 'deliver' || a.action === 'consume'
  return stack && a.netns === b.netns && (b.action === 'tx' || b.action === 'drop')
}

function nameOf(world: World, device: number): string {
  const dev: Device | undefined = device < 0 ? undefined : world.devices[device]
  return dev?.name ?? ''
}

/** A message in two words. */
export function wordOf(frame: Frame | undefined): string {
  const packet = frame?.packet
  if (packet?.kind === 'arp') return packet.operation === 1 ? 'ARP request' : 'ARP reply'
  if (packet?.kind !== 'ip4' && packet?.kind !== 'ip6') return 'frame'
  const { payload } = packet
  if (payload.kind === 'nd') {
    return payload.type === 135 ? 'neighbour solicitation' : 'neighbour advertisement'
  }
  if (payload.kind === 'icmp') {
    return payload.type === 8 || payload.type === 128 ? 'echo request' : 'echo reply'
  }
  if (payload.kind === 'tcp') {
    if ((payload.flags & 4) !== 0) return 'TCP reset'
    return (payload.flags & 16) === 0 ? 'TCP SYN' : 'TCP answer'
  }
  return payload.kind === 'udp' ? 'UDP datagram' : 'packet'
}
