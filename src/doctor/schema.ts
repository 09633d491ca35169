/** The JSON of `lanyard doctor --json`: one zod schema gives the type and the published schema. */
import * as z from 'zod/mini'
import { SEVERITIES } from './check.ts'
import { CHECKS, type Diagnosis } from './doctor.ts'

const about = <T extends z.ZodMiniType>(schema: T, text: string) => schema.check(z.describe(text))

export const doctorSchema = z.strictObject({
  worst: about(z.enum(SEVERITIES), 'The severity of the worst finding.'),
  findings: about(
    z.array(
      z.strictObject({
        check: about(z.enum(CHECKS.map((c) => c.id) as [string, ...string[]]), 'Which check.'),
        code: about(z.string(), 'What was found; never renamed.'),
        severity: about(
          z.enum(SEVERITIES),
          'problem: it does not work; warning: it may not; note: good to know; good.',
        ),
        subject: about(z.string(), 'What it is about: a link, a network, an address.'),
        says: z.string(),
        remedy: about(z.array(z.string()), 'What to do, a line each.'),
      }),
    ),
    'The worst first.',
  ),
  next: about(z.string(), 'One command to go on with.'),
})

export type DoctorJson = z.infer<typeof doctorSchema>

export function doctorJson({ findings, worst, next }: Diagnosis): DoctorJson {
  return {
    worst,
    findings: findings.map(({ check, code, severity, subject, says, remedy }) => ({
      check,
      code,
      severity,
      subject,
      says,
      remedy: [...remedy],
    })),
    next,
  }
}

/** The JSON Schema (draft 2020-12) of what `--json` prints. */
export function doctorJsonSchema(): object {
  return z.toJSONSchema(doctorSchema, { io: 'output' })
}
