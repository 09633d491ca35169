/**
 * Three projects: `unit` runs anywhere, `kernel` (x.kernel.test.ts) needs root on Linux, `docker`
 * (x.docker.test.ts) root and a dockerd to start. What is in x.uml.test.ts runs only inside
 * User Mode Linux (test/uml).
 */
import { defineConfig } from 'vitest/config'
import { LongestFirst } from './test/support/longest-first.ts'
import { namespacedPool } from './test/support/namespaced-pool.ts'

/** A CommonJS module's default is what Node takes it for, here too. */
const deps = { interopDefault: false }

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'unit',
          deps,
          include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'console/**/*.test.ts'],
          exclude: [
            '**/*.kernel.test.ts',
            '**/*.uml.test.ts',
            '**/*.docker.test.ts',
            '**/*.guest.test.ts',
            'node_modules/**',
          ],
          isolate: false,
          // No test is about time; a busy machine may take its own.
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'kernel',
          deps,
          include: ['src/**/*.kernel.test.ts', 'test/**/*.kernel.test.ts'],
          pool: namespacedPool(),
          // They wait more than they work.
          maxWorkers: 6,
          maxConcurrency: 6,
          sequence: { groupOrder: 1 },
          // No test is about time; those that boot a guest wait for their turn, too.
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          // Docker inside User Mode Linux takes a long time: `npm run docker:guests`.
          name: 'guests',
          deps,
          include: ['test/docker/**/*.guest.test.ts'],
          testTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'docker',
          deps,
          include: ['test/docker/**/*.docker.test.ts'],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
})
