/** In a guest of User Mode Linux: one command line of this program, once it is told which. */
import { runCommandLine } from './command-line.ts'

interface Job {
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
}

/** Reads what most command lines need, and waits. */
export async function waitForCommandLine(): Promise<void> {
  const job = new Promise<Job>((resolve) => process.once('message', (m) => resolve(m as Job)))
  await Promise.all([import('./lab-measure.ts'), import('./lab-capture.ts')])
  await (await import('../kernel/fabric.ts')).openKernel().then((kernel) => kernel.close())
  const { args, cwd, env } = await job
  process.disconnect()
  process.chdir(cwd)
  process.env = { ...env }
  await runCommandLine([process.execPath, 'lanyard', ...args])
}
