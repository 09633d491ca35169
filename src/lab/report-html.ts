/** A lab's report as one HTML page that needs nothing else: picture, matrices, expectations. */
import { drawSvg } from './graph-svg.ts'
import type { Judged } from './judge.ts'
import { escapeMarkup } from './markup.ts'
import { plain } from './paint.ts'
import { matrixGrid, printSummary } from './print.ts'
import type { CombinationReport, CommandReport, LabReport, MatrixReport } from './run.ts'
import type { Topology } from './topology.ts'
import { formatVariables } from './variables.ts'

const STYLE = `:root{color-scheme:light dark;--good:#0b6e4f;--bad:#b42318;--line:#cbd2d9;--dim:#52606d}
@media(prefers-color-scheme:dark){:root{--good:#5fd3a6;--bad:#ff8a7a;--line:#3e4c59;--dim:#9aa5b1}}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}
h2{border-top:1px solid var(--line);padding-top:1rem}
code,pre,table{font-family:ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:13px}
.picture{overflow-x:auto}table{border-collapse:collapse;margin:.5rem 0}
th,td{border:1px solid var(--line);padding:.2rem .6rem;text-align:right}
thead th:first-child,tbody th{text-align:left}.good{color:var(--good)}.bad{color:var(--bad)}
.dim{color:var(--dim)}ul{list-style:none;padding-left:0}li{margin:.15rem 0}
pre{overflow-x:auto;margin:.3rem 0}`

/**
 * @param kernel what it ran on, unless simulated
 * @example
 * ```ts
 * writeFileSync('lab.html', reportHtml(report, topologies))
 * ```
 */
export function reportHtml(
  report: LabReport,
  topologies: readonly Topology[],
  kernel = 'this kernel',
): string {
  const title = [report.lab, topologies[0]?.title].filter((t) => t !== undefined).join(': ')
  const summary = printSummary(report, plain, kernel)
  return [
    '<!DOCTYPE html>',
    '<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width,initial-scale=1">',
    `<title>${escapeMarkup(title)}</title><style>${STYLE}</style></head><body>`,
    `<h1>${escapeMarkup(title)}</h1>`,
    `<p class="${report.missed === 0 ? 'good' : 'bad'}">${escapeMarkup(summary)}</p>`,
    `<div class="picture">${drawSvg(topologies).trimEnd()}</div>`,
    '<p class="dim">Rows ping columns, from empty neighbour tables; a number is the ttl of the answer.</p>',
    ...report.combinations.map(combinationHtml),
    '</body></html>\n',
  ].join('\n')
}

function combinationHtml(report: CombinationReport): string {
  const name = formatVariables(report.variables)
  return [
    name === '' ? '' : `<h2>${escapeMarkup(name)}</h2>`,
    ...report.commands.map(commandHtml),
    ...report.matrices.map((m) => matrixHtml(m, report.matrices.length > 1)),
    judgedHtml(report.expectations),
    ...report.steps.flatMap((step) => [
      `<h3>${escapeMarkup(step.name)}</h3>`,
      ...step.commands.map(commandHtml),
      judgedHtml(step.expectations),
    ]),
  ]
    .filter((part) => part !== '')
    .join('\n')
}

function matrixHtml(matrix: MatrixReport, named: boolean): string {
  const grid = matrixGrid(matrix)
  const { nodes } = matrix
  const cell = (from: string, to: string): string => {
    const found = grid.at(from, to)
    if (found === undefined) return '<td class="dim">·</td>'
    return `<td class="${found.ok ? 'good' : 'bad'}">${escapeMarkup(found.text)}</td>`
  }
  const head = nodes.map((n) => `<th scope="col">${escapeMarkup(n)}</th>`).join('')
  const rows = nodes.map((from) => {
    const cells = nodes.map((to) => cell(from, to)).join('')
    return `<tr><th scope="row">${escapeMarkup(from)}</th>${cells}</tr>`
  })
  const legend = grid.legend.map(
    ([mark, why]) => `<li><span class="bad">${mark}</span> ${escapeMarkup(why)}</li>`,
  )
  return [
    `<table><thead><tr><th>${named ? `IPv${matrix.family}` : ''}</th>${head}</tr></thead>`,
    `<tbody>${rows.join('\n')}</tbody></table>`,
    legend.length === 0 ? '' : `<ul>${legend.join('\n')}</ul>`,
  ].join('\n')
}

function judgedHtml(expectations: readonly Judged[]): string {
  if (expectations.length === 0) return ''
  const items = expectations.map(({ met, line, text, misses }) => {
    const mark = met ? '<span class="good">✓</span>' : '<span class="bad">✗</span>'
    const why = misses.map((m) => `<br><span class="bad">${escapeMarkup(m)}</span>`).join('')
    const where = `<span class="dim">line ${line}:</span>`
    return `<li>${mark} ${where} <code>${escapeMarkup(text)}</code>${why}</li>`
  })
  return `<ul>${items.join('\n')}</ul>`
}

function commandHtml({ node, command, stdout, stderr }: CommandReport): string {
  const output = `${stdout}${stderr}`.trimEnd()
  const prompt = `<span class="dim">${escapeMarkup(node)} #</span> ${escapeMarkup(command)}`
  return `<pre>${prompt}${output === '' ? '' : `\n${escapeMarkup(output)}`}</pre>`
}
