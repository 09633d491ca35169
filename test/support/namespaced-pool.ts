/**
 * A pool for vitest: a process for each test file, in network and mount namespaces of its own, so
 * that kernel tests run side by side although each looks at all namespaces there are. Where no
 * namespaces can be made (no root, no Linux) the processes are plain: there every kernel test says
 * that it is skipped.
 */
import { join } from 'node:path'
import { ForksPoolWorker, type PoolRunnerInitializer } from 'vitest/node'

const WRAPPER = join(import.meta.dirname, 'own-namespaces.sh')

class NamespacedWorker extends ForksPoolWorker {
  override start(): Promise<void> {
    const node = process.execPath
    this.env = { ...this.env, LANYARD_NODE: node }
    process.execPath = WRAPPER
    try {
      // It forks before it first waits: nobody else sees the stand-in.
      return super.start()
    } finally {
      process.execPath = node
    }
  }
}

/** The pool; see the head of this file. */
export function namespacedPool(): PoolRunnerInitializer | 'forks' {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'forks'
  return { name: 'namespaced', createPoolWorker: (options) => new NamespacedWorker(options) }
}
