/**
 * Three projects: `unit` runs anywhere, `kernel` (x.kernel.test.ts) needs root on Linux, `docker`
 * (x.docker.test.ts) root and a dockerd to start. What is in x.uml.test.ts runs only inside
 * User Mode Linux (test/uml).
 */
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'console/**/*.test.ts'],
          exclude: [
            '**/*.kernel.test.ts',
            '**/*.uml.test.ts',
            '**/*.docker.test.ts',
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
          include: ['src/**/*.kernel.test.ts', 'test/**/*.kernel.test.ts'],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'docker',
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
