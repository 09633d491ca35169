import { expect, test } from 'vitest'
import { formatItems } from './template.ts'

const ITEM = {
  Name: 'mcv',
  ID: '82a9',
  IPAM: { Config: [{ Subnet: '10.0.0.0/24' }, { Subnet: 'fd00::/64' }] },
  Options: { parent: 'eth0' },
  Containers: {},
  Internal: false,
}

test.each([
  ['{{.Name}}', 'mcv'],
  ['{{ .Name }}-{{.ID}}', 'mcv-82a9'],
  ['{{json .Options}}', '{"parent":"eth0"}'],
  ['{{.Options}}', 'map[parent:eth0]'],
  ['{{index .Options "parent"}}', 'eth0'],
  ['{{.Options.parent}}{{.Options.mtu}}', 'eth0'],
  ['{{range .IPAM.Config}}{{.Subnet}} {{end}}', '10.0.0.0/24 fd00::/64 '],
  ['{{range .IPAM.Config}}{{$.Name}};{{end}}', 'mcv;mcv;'],
  ['{{range .Containers}}x{{else}}none{{end}}', 'none'],
  ['{{if .Internal}}in{{else}}out{{end}}', 'out'],
  ['{{if .Name}}{{if .Internal}}a{{else}}b{{end}}{{end}}c', 'bc'],
  ['{{len .IPAM.Config}}', '2'],
  ['{{.Name | upper}}', 'MCV'],
  ['{{.Name | printf}}', /cannot work out|not defined/],
  ['{{upper .Name | json}}', '"MCV"'],
  ['a\\tb', 'a\tb'],
  ['{{.Nme}}', /no field \.Nme \(did you mean "Name"\?\)/],
  ['{{joson .}}', /function "joson" not defined \(did you mean "json"\?\)/],
  ['{{range .IPAM.Config}}', /has no \{\{end\}\}/],
  ['{{end}}', /without a beginning/],
  ['{{.Name', /not closed/],
])('formatItems(%j) gives %s', (format, expected) => {
  if (typeof expected === 'string') expect(formatItems(format, [ITEM])).toBe(`${expected}\n`)
  else expect(() => formatItems(format, [ITEM])).toThrow(expected)
})

test('formatItems() knows table and json', () => {
  expect(formatItems('table {{.ID}}\t{{.Name}}', [ITEM])).toBe(
    'NETWORK ID   NAME\n82a9         mcv\n',
  )
  expect(formatItems('json', [{ a: 1 }, { a: 2 }])).toBe('{"a":1}\n{"a":2}\n')
})
