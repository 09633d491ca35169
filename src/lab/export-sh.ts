/** A lab as a script of ip, bridge and sysctl: to read, to keep, to run where Lanyard is not. */
import type { Op, Plan } from '../fabric/plan.ts'
import { printOp } from '../fabric/print-ip.ts'
import { namespacesOf, planLab } from './plan.ts'
import type { Topology } from './topology.ts'
import { formatVariables } from './variables.ts'

/**
 * The script of one combination. `sh lab.sh` makes the lab as root, all of it or nothing;
 * `sh lab.sh down` removes it. Its namespaces are called LAB-NODE, and nothing in it is marked as
 * Lanyard's: no command of ours takes it away.
 *
 * @returns the text; what a script cannot do (ports that answer) stands in it as comments
 */
export function exportSh(topology: Topology): string {
  const { lab, title } = topology
  const prefix = `${lab}-`
  const netns = namespacesOf(topology).map((name) => `${prefix}${name}`)
  const plan = untagged(planLab(topology, { prefix }))
  const variables = formatVariables(topology.variables)
  const nodes = [...topology.hosts, ...topology.containers]
  const runs = nodes.flatMap((node) =>
    node.run.map((r) => `ip netns exec ${prefix}${r.node} sh -c ${quoted(r.text)}`),
  )
  const silent = nodes.flatMap((node) =>
    node.listen.map((s) => `# ${prefix}${node.name} would answer on ${s.protocol}/${s.port}`),
  )
  const steps = topology.steps.length === 0 ? [] : ['# The steps of the lab are not in here.']
  return `${[
    '#!/bin/sh',
    `# ${[lab, title].filter((text) => text !== undefined).join(': ')}`,
    ...(variables === '' ? [] : [`# ${variables}`]),
    '# As root: "sh lab.sh" makes it, "sh lab.sh down" removes it.',
    ...steps,
    'set -eu',
    `all="${netns.join(' ')}"`,
    'down() { for ns in $all; do ip netns del "$ns" 2>/dev/null || :; done; }',
    'case "${1:-up}" in',
    '  up) ;;',
    '  down) down; exit 0 ;;',
    '  *) echo "usage: sh $0 [up|down]" >&2; exit 2 ;;',
    'esac',
    '[ "$(id -u)" = 0 ] || { echo "$0: must be root" >&2; exit 1; }',
    'for ns in $all; do',
    '  [ ! -e "/run/netns/$ns" ] || { echo "$0: $ns is there already: sh $0 down" >&2; exit 1; }',
    'done',
    "trap 'rc=$?; [ $rc = 0 ] || down; exit $rc' EXIT",
    'set -x',
    ...plan.flatMap(printOp),
    ...runs,
    ...silent,
  ].join('\n')}\n`
}

/** The plan without the marks by which Lanyard finds what is its own. */
function untagged(plan: Plan): Op[] {
  return plan.flatMap((op): Op[] => {
    if (op.do !== 'link.add' && op.do !== 'link.set') return [op]
    const { group: _, alias: __, ...rest } = op
    return Object.keys(rest).length > 3 ? [rest] : []
  })
}

/** One word of a shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
