/** The contract on plain memory. */
import { testStore } from './contract.case.ts'
import { Memory, openMemoryStore } from './memory.ts'

testStore('openMemoryStore', {
  toldWithinMs: 0,
  lateMs: 0,
  place: async () => {
    const memory = new Memory()
    let now = 1_000_000
    return {
      open: async (options) => openMemoryStore({ ...options, memory, nowMs: () => now }),
      pass: (ms) => {
        now += ms
      },
      remove: async () => undefined,
    }
  },
})
