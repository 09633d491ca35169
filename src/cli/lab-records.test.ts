import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LabRecords, type Namespaces } from './lab-records.ts'

let folder: string
let there: Set<string>
let records: LabRecords

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lab-records-'))
  there = new Set(['somebody-elses'])
  const namespaces: Namespaces = {
    has: (name) => there.has(name),
    remove: (name) => void there.delete(name),
  }
  records = new LabRecords(namespaces, folder)
})
afterEach(() => rmSync(folder, { recursive: true }))

/** Writes the record of a process that is gone. */
async function killed(lab: string, namespaces: readonly string[]): Promise<void> {
  const child = spawn('sleep', ['60'])
  const { pid } = child
  const started = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ')[19]
  child.kill('SIGKILL')
  await once(child, 'exit')
  writeFileSync(join(folder, `${lab}.json`), JSON.stringify({ lab, pid, started, namespaces }))
}

test('LabRecords.begin writes the names down and end forgets them', () => {
  records.begin('one', ['a', 'b'])
  expect(JSON.parse(readFileSync(join(folder, 'one.json'), 'utf8'))).toMatchObject({
    pid: process.pid,
    namespaces: ['a', 'b'],
  })
  records.end('one')
  expect(readdirSync(folder)).toEqual([])
})

test('LabRecords.begin refuses a lab that another process runs', () => {
  records.begin('one', ['a'])
  expect(() => records.begin('one', ['a'])).toThrow(`being run by process ${process.pid}`)
})

test('LabRecords.begin refuses a namespace that is not the lab’s', () => {
  expect(() => records.begin('one', ['a', 'somebody-elses'])).toThrow('exists already')
  expect(readdirSync(folder)).toEqual([])
})

test('LabRecords.begin removes what a killed run left, and nothing else', async () => {
  await killed('old', ['old-a', 'old-b'])
  there.add('old-b')
  records.begin('new', ['new-a'])
  expect([...there]).toEqual(['somebody-elses'])
  expect(readdirSync(folder)).toEqual(['new.json'])
})

test('LabRecords.sweep removes one lab and names what it removed', async () => {
  await killed('old', ['old-a', 'old-b'])
  await killed('other', ['other-a'])
  for (const name of ['old-a', 'old-b', 'other-a']) there.add(name)
  expect(records.sweep('old')).toEqual([{ lab: 'old', namespaces: ['old-a', 'old-b'] }])
  expect([...there]).toEqual(['somebody-elses', 'other-a'])
})

test('LabRecords.sweep leaves a running lab alone, and says so when asked for it', () => {
  records.begin('one', ['a'])
  there.add('a')
  expect(records.sweep()).toEqual([])
  expect(() => records.sweep('one')).toThrow('lab one is being run by process')
})

test('LabRecords.sweep names the labs there are', async () => {
  await killed('old', [])
  expect(() => records.sweep('odl')).toThrow(
    'nothing of a lab "odl" is on this machine: there is old',
  )
})

test('LabRecords.sweep takes a record that was never filled for nothing made', () => {
  writeFileSync(join(folder, 'cut.json'), '')
  expect(records.sweep()).toEqual([])
  expect(readdirSync(folder)).toEqual([])
})

test('LabRecords.end keeps the record while a namespace is still there', () => {
  records.begin('one', ['a'])
  there.add('a')
  records.end('one')
  expect(readdirSync(folder)).toEqual(['one.json'])
})
