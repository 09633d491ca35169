/**
 * The JSON of an explanation, for programs: one zod schema gives the type and the published JSON
 * Schema (`schema/explain.schema.json`). Fields are only ever added.
 */
import * as z from 'zod/mini'
import { formatIp } from '../addr/ip.ts'
import { CAUSE_CODES } from '../explain/causes.ts'
import { formatProtocol } from '../explain/question.ts'
import type { Explanation, Leg, Remedy } from '../explain/types.ts'
import { printPlan } from '../fabric/print-ip.ts'
import { REASON_CODES } from '../fabric/reason.ts'
import { printFrame } from '../wire/print.ts'

const about = <T extends z.ZodMiniType>(schema: T, text: string) => schema.check(z.describe(text))
const nullable = <T extends z.ZodMiniType>(schema: T) => z.nullable(schema)

const hop = z.strictObject({
  timeNs: about(z.number(), 'Virtual time in nanoseconds.'),
  netns: z.string(),
  links: about(z.array(z.string()), 'Links passed here, in order.'),
  copies: about(z.int(), 'Further links the frame was flooded to.'),
  vlans: about(z.array(z.int()), 'VLAN tags, outermost first.'),
  decisive: about(z.boolean(), 'The one step that decided.'),
})
const leg = z.strictObject({
  message: about(z.string(), 'What travelled: "ARP request", "echo reply", ...'),
  frame: about(nullable(z.string()), "The frame in tcpdump's words."),
  back: about(z.boolean(), 'On the way back to the one who asked.'),
  arrived: z.boolean(),
  hops: z.array(hop),
})
const remedy = z.strictObject({
  title: z.string(),
  commands: about(z.array(z.string()), 'Command lines that do it.'),
  undo: about(z.array(z.string()), 'Command lines that take it back.'),
  cost: about(z.int(), 'Things changed.'),
  bothWays: about(z.boolean(), 'Whether the one asked reaches the asker then, too.'),
  opened: about(z.int(), 'Other ordered pairs that become reachable.'),
  closed: about(z.int(), 'Other ordered pairs no longer reachable.'),
  openedPairs: about(z.array(z.string()), 'Some of them, "A -> B".'),
  closedPairs: z.array(z.string()),
  edit: about(nullable(z.string()), 'The same in the lab file, where one line does it.'),
})

export const explainSchema = z.strictObject({
  verdict: about(z.enum(['ok', 'fail', 'order']), 'order: the answer depends on who spoke before.'),
  from: z.string(),
  to: nullable(z.string()),
  target: about(z.string(), 'The address asked.'),
  protocol: about(z.string(), 'icmp, arp, tcp/80, udp/53, ...'),
  cold: about(z.boolean(), 'Works from empty tables.'),
  spoken: about(z.boolean(), 'Works after the other end has spoken first.'),
  code: about(nullable(z.enum(REASON_CODES as [string, ...string[]])), 'Why it ended.'),
  cause: about(
    nullable(z.enum(CAUSE_CODES as [string, ...string[]])),
    'What people know the failure by.',
  ),
  headline: about(z.string().check(z.maxLength(90)), 'One line that names both ends.'),
  at: nullable(
    z.strictObject({
      netns: z.string(),
      link: nullable(z.string()),
      toLink: nullable(z.string()),
      frame: nullable(z.string()),
    }),
  ),
  way: about(z.array(leg), 'The messages of the exchange in order, each with its hops.'),
  rule: nullable(
    z.strictObject({
      text: z.string(),
      kernel: about(z.string(), 'The kernel function that decides.'),
      filter: about(nullable(z.string()), 'The rule of the packet filter.'),
    }),
  ),
  origins: about(
    z.array(
      z.strictObject({
        file: nullable(z.string()),
        line: nullable(z.int()),
        text: z.string(),
      }),
    ),
    'Where somebody wrote what made it so.',
  ),
  notes: z.array(z.string()),
  remedies: about(z.array(remedy), 'What mends it, tried and proved; the smallest first.'),
  rejected: about(
    z.array(z.strictObject({ title: z.string(), code: nullable(z.string()), why: z.string() })),
    'What people try and does not help.',
  ),
  search: z.strictObject({
    tried: z.int(),
    candidates: z.int(),
    bounded: about(z.boolean(), 'Whether candidates were left untried.'),
  }),
  ttl: nullable(z.int()),
  live: about(
    nullable(
      z.strictObject({
        assumptions: about(z.array(z.string()), 'What was assumed of what lies beyond the wire.'),
        real: about(nullable(z.string()), 'What a real probe met; null: none was sent.'),
        agrees: about(nullable(z.boolean()), 'Whether the real probe met what was said.'),
        replay: about(nullable(z.string()), 'The file that holds the case, where they disagree.'),
        unread: about(z.array(z.string()), 'What is there and could not be read.'),
      }),
    ),
    'Of a live host; null for a lab.',
  ),
})

export type ExplainJson = z.infer<typeof explainSchema>

/** What is told of a live host only. */
export type LiveJson = NonNullable<ExplainJson['live']>

/** The object `lanyard explain --json` prints. */
export function explanationJson(found: Explanation, live?: LiveJson): ExplainJson {
  const { question, at, rule } = found
  return {
    verdict: found.verdict,
    from: question.from,
    to: question.to ?? null,
    target: formatIp(question.target),
    protocol: formatProtocol(question),
    cold: found.orders.cold,
    spoken: found.orders.spoken,
    code: found.code ?? null,
    cause: found.cause ?? null,
    headline: found.headline,
    at:
      at === undefined
        ? null
        : {
            netns: at.netns,
            link: at.link ?? null,
            toLink: at.toLink ?? null,
            frame: at.frame === undefined ? null : printFrame(at.frame, { link: true }),
          },
    way: found.way.map(legJson),
    rule: rule === undefined ? null : { ...rule, filter: rule.filter ?? null },
    origins: found.origins.map((o) => ({
      file: o.file ?? null,
      line: o.line ?? null,
      text: o.text,
    })),
    notes: [...found.notes],
    remedies: found.remedies.map(remedyJson),
    rejected: found.rejected.map((r) => ({ ...r, code: r.code ?? null })),
    search: found.search,
    ttl: found.ttl ?? null,
    live: live ?? null,
  }
}

function legJson({ message, back, arrived, hops }: Leg): ExplainJson['way'][number] {
  const frame = hops.find((h) => h.frame !== undefined)?.frame
  return {
    message,
    frame: frame === undefined ? null : printFrame(frame, { link: true }),
    back,
    arrived,
    hops: hops.map((h) => ({
      timeNs: h.timeNs,
      netns: h.netns,
      links: [...h.links],
      copies: h.copies,
      vlans: h.frame?.tags.map((t) => t.id) ?? [],
      decisive: h.decisive,
    })),
  }
}

function remedyJson(remedy: Remedy): ExplainJson['remedies'][number] {
  const { title, plan, undo, cost, bothWays, effects, edit, commands, undoCommands } = remedy
  return {
    title,
    commands: [...(commands ?? printPlan(plan))],
    undo: [...(undoCommands ?? printPlan(undo))],
    cost,
    bothWays,
    opened: effects.opened,
    closed: effects.closed,
    openedPairs: [...effects.openedPairs],
    closedPairs: [...effects.closedPairs],
    edit: edit ?? null,
  }
}

/** The JSON Schema (draft 2020-12) of what `--json` prints. */
export function explainJsonSchema(): object {
  return z.toJSONSchema(explainSchema, { io: 'output' })
}
