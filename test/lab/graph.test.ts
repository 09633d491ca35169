import { describe, expect, test } from 'vitest'
import { drawMermaid } from '../../src/lab/graph-mermaid.ts'
import { drawSvg } from '../../src/lab/graph-svg.ts'
import { readLab } from '../../src/lab/read.ts'
import { LabSource } from '../../src/lab/source.ts'

const LAB = `lab: t
title: a <b> & "c"
matrix: {mode: [bridge, vepa]}
switches:
  s1: {ports: {p0: {}, p1: {}, up: {}}}
  s2: {ports: {p0: {}, up: {to: s1:up}}}
hosts:
  a: {nics: {eth0: {to: s1:p0, addr: 10.0.0.1/24}, eth1: {to: b:eth1}}}
  b: {nics: {eth0: {to: s2:p0, addr: 10.0.0.2/24}, eth1: {}}}
networks:
  lan: {driver: macvlan, mode: "\${mode}", parent: eth0, subnet: 10.0.0.0/24, hosts: [a]}
containers:
  c1: {host: a, net: lan=10.0.0.11}
`
const topologies = () => readLab(new LabSource('lab.yaml', LAB))

/** Every element that is opened is closed, in order; @returns how many of each there are */
function elements(svg: string): Map<string, number> {
  const count = new Map<string, number>()
  const open: string[] = []
  for (const [, close, name = '', rest = ''] of svg.matchAll(
    /<(\/?)([a-z]+)((?:[^>"]|"[^"]*")*)>/g,
  )) {
    if (close === '/') {
      expect(open.pop()).toBe(name)
      continue
    }
    count.set(name, (count.get(name) ?? 0) + 1)
    if (!rest.endsWith('/')) open.push(name)
  }
  expect(open).toEqual([])
  return count
}

describe('a lab as SVG', () => {
  test('has a line for each cable: to hosts, between switches, between hosts', () => {
    const count = elements(drawSvg(topologies()))
    // s1-a, s2-b, s1-s2, a-b; two dots each; two switches and two hosts
    expect(count.get('path')).toBe(4)
    expect(count.get('circle')).toBe(8)
    expect(count.get('rect')).toBe(4)
  })

  test('shows what differs between combinations, and escapes what is written in the file', () => {
    const svg = drawSvg(topologies())
    expect(svg).toContain('bridge|vepa')
    expect(svg).toContain('a &lt;b&gt; &amp; &quot;c&quot;')
    expect(drawSvg(topologies().slice(0, 1))).not.toContain('vepa')
  })

  test('keeps everything within the picture', () => {
    const svg = drawSvg(topologies())
    const [, width, height] = /width="(\d+)" height="([\d.]+)"/.exec(svg) as RegExpExecArray
    for (const [, x, y, w, h] of svg.matchAll(
      /<rect [^>]*x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"/g,
    )) {
      expect(Number(x) + Number(w)).toBeLessThan(Number(width))
      expect(Number(y) + Number(h)).toBeLessThan(Number(height))
    }
  })
})

describe('a lab as Mermaid', () => {
  test('names ports at cables and what sits on a link below it', () => {
    const text = drawMermaid(topologies())
    expect(text).toContain('[["s1"]]')
    expect(text).toMatch(/n\d+ ---\|"p0"\| n\d+/)
    expect(text).toMatch(/n\d+ ---\|"up · up"\| n\d+/)
    expect(text.match(/---/g)).toHaveLength(4 + 1)
    const used = [...text.matchAll(/(n\d+) ---(?:\|[^|]*\|)? (n\d+)/g)].flatMap((m) => [m[1], m[2]])
    for (const id of used) expect(text).toMatch(new RegExp(`${id}(\\[|>)`))
  })
})
