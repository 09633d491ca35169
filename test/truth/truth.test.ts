import { expect, test } from 'vitest'
import { replay } from './replay.ts'
import { differences } from './report.ts'
import { readTruth } from './rows.ts'
import { simPlaces } from './world.ts'

const places = simPlaces()

test.each(readTruth([]).map((file) => [file.name, file] as const))(
  'the simulator agrees with what was measured: %s',
  async (_name, file) => {
    const rows = await replay(places, file)
    expect(rows.length).toBeGreaterThan(0)
    expect(differences([{ file: file.name, kind: file.kind, rows }])).toBe('')
  },
  60_000,
)
