/**
 * One command at a node of a lab in User Mode Linux, as a process of its own, beside the same at a
 * node of a lab on this kernel: what the way into the guest costs, and what the guest does.
 */
import { execFileSync } from 'node:child_process'
import { measure, needRoot, openLabs, timeMs } from './harness.ts'

const LAB = `lab: bench-exec-uml
switches: {sw: {ports: {p0: {}, p1: {}}}}
hosts:
  a: {nics: {eth0: {to: sw:p0, addr: 10.0.0.1/24}}}
  b: {nics: {eth0: {to: sw:p1, addr: 10.0.0.2/24}}}
`

await measure('lab-exec-uml', () => {
  needRoot()
  const { file, lab, close } = openLabs(LAB)
  for (const fabric of ['uml', 'kernel']) lab('up', file, '--name', fabric, '--fabric', fabric)
  const exec = (name: string, ...words: readonly string[]): Promise<number> =>
    timeMs(() => lab('exec', '--lab', name, 'a', '--', ...words))
  // The wait for duplicate address detection is over.
  for (const name of ['uml', 'kernel']) lab('exec', '--lab', name, 'a', '--', 'true')
  const bare = (): void => {
    execFileSync(process.execPath, ['-e', '0'], { stdio: 'ignore' })
  }
  return {
    question: 'how long does one command at a node of a lab in User Mode Linux take, as a process?',
    unit: 'ms',
    better: 'lower',
    rounds: 15,
    contestants: [
      { name: 'lanyard lab exec a -- ip link, uml', run: () => exec('uml', 'ip', 'link') },
      { name: 'the same, kernel', run: () => exec('kernel', 'ip', 'link') },
      { name: 'lanyard lab exec a -- true, uml', run: () => exec('uml', 'true') },
      { name: 'lanyard lab exec a -- true, kernel', run: () => exec('kernel', 'true') },
      { name: 'node -e 0', run: () => timeMs(bare) },
    ],
    close: () => {
      lab('down', '--all')
      close()
    },
  }
})
