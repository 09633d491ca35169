/**
 * Boots a host of the soak as a guest on a tap of the namespace this process is in, and passes
 * orders on: they come from the parent process, and go to the guest over the LAN. Ends with it.
 */
import { request } from 'node:http'
import { runInUml } from '../../src/kernel/uml.ts'
import { nodeInUml } from '../../src/kernel/uml-boot.ts'
import { type Answer, type Order, ORDER_PORT, type Setup } from './orders.ts'

export interface GuestSetup extends Setup {
  /** The program to run inside (inside.ts, bundled). */
  readonly program: string
  readonly folder: string
  readonly tap: string
  readonly mac: string
  readonly timeoutMs: number
}

export interface Passed<T> {
  readonly id: number
  readonly what: T
}

const { program, folder, tap, mac, timeoutMs, ...setup } = JSON.parse(
  process.argv[2] ?? '',
) as GuestSetup

/** Rejected when the guest does not listen. */
function pass(order: Order): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const to = { host: setup.address, port: ORDER_PORT, method: 'POST', timeout: 150_000 }
    const asked = request(to, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (part: string) => (text += part))
      answer.on('end', () => resolve(JSON.parse(text) as Answer))
      answer.on('error', reject)
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer')))
    asked.on('error', reject).end(JSON.stringify(order))
  })
}

const ending = new AbortController()
process.on('disconnect', () => ending.abort())
process.on('message', ({ id, what }: Passed<Order>) => {
  const failed = (error: unknown): Answer => ({ failed: `not passed on: ${String(error)}` })
  void pass(what)
    .catch(failed)
    .then((answer) => process.send?.({ id, what: answer } satisfies Passed<Answer>))
})
const { output, console: said } = await runInUml({
  command: [...nodeInUml(), program, JSON.stringify(setup)],
  env: { LANYARD_TEST_PROGRAM: folder },
  cable: { tap, mac },
  signal: ending.signal,
  timeoutMs,
})
if (!ending.signal.aborted) {
  process.stderr.write(`the guest of ${setup.host} ended: ${said}${output}\n`)
  process.exit(1)
}
