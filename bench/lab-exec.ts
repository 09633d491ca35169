/**
 * One command at a node of a simulated lab, as a process of its own, Node's start and the lab's
 * replay included; beside one `ip` in a namespace, which has no lab to make first.
 */
import { execFileSync } from 'node:child_process'
import { measure, needRoot, openLabs, timeMs } from './harness.ts'

const LAB = `lab: bench-exec
switches: {sw: {ports: {p0: {}, p1: {}}}}
hosts:
  a: {nics: {eth0: {to: sw:p0, addr: 10.0.0.1/24}}}
  b: {nics: {eth0: {to: sw:p1, addr: 10.0.0.2/24}}}
`
const NETNS = 'lanyard-bench-exec'

await measure('lab-exec', () => {
  needRoot()
  const { file, lab, labBy, close } = openLabs(LAB)
  const exec = (program: string): Promise<number> =>
    timeMs(() => labBy(program, 'exec', 'a', '--', 'ip', 'link'))
  lab('up', file, '-q')
  execFileSync('ip', ['netns', 'add', NETNS])
  const peer = (): void => {
    execFileSync('ip', ['netns', 'exec', NETNS, 'ip', 'link'], { stdio: 'ignore' })
  }
  const bare = (): void => {
    execFileSync(process.execPath, ['-e', '0'], { stdio: 'ignore' })
  }
  return {
    question: 'how long does one command at a node of a simulated lab take, as a process?',
    unit: 'ms',
    better: 'lower',
    rounds: 15,
    contestants: [
      { name: 'lanyard lab exec a -- ip link', run: () => exec('bin/lanyard.cjs') },
      { name: 'ip netns exec NS ip link', run: () => timeMs(peer) },
      { name: 'node -e 0', run: () => timeMs(bare) },
      { name: 'the same by the whole program', run: () => exec('dist/main.mjs') },
    ],
    close: () => {
      execFileSync('ip', ['netns', 'del', NETNS])
      close()
    },
  }
})
