/**
 * A host of the soak, inside its guest: names it, gives its card an address, and does what it is
 * told over the LAN, one HTTP request an order.
 */
import { type ChildProcess, execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { hostname } from 'node:os'
import { promisify } from 'node:util'
import { nodeInUml } from '../../src/kernel/uml-boot.ts'
import { ask } from '../support/daemon.ts'
import { PROGRAM, startProgram } from '../support/program.ts'
import { type Answer, type Order, ORDER_PORT, type Setup } from './orders.ts'

const { host, address, store } = JSON.parse(process.argv[2] ?? '') as Setup
const SOCKET = '/run/lanyard/lanyard.sock'
const ENV = { LANYARD_SOCKET: SOCKET, LANYARD_STATE: '/run/state', LANYARD_STORE: store }
const NODE = nodeInUml()
let daemon: ChildProcess | undefined

const run = promisify(execFile)
const ip = async (line: string): Promise<string> => (await run('ip', line.split(' '))).stdout
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))

const lanyard = (words: readonly string[]) => startProgram(words, ENV, [], PROGRAM, NODE)

async function startDaemon(): Promise<Answer> {
  const { child, ended } = lanyard(['daemon', '--log-level', 'warn', '--docker', 'none'])
  daemon = child
  let failed: string | undefined
  void ended.then(({ stderr }) => (failed = stderr))
  for (;;) {
    if (failed !== undefined) return { failed: `the daemon of ${host} ended: ${failed}` }
    const version = await ask(SOCKET, 'GET', '/v1/version').catch(() => undefined)
    if (version?.json['pid'] === child.pid) return {}
    await pause(100)
  }
}

async function signalDaemon(signal: NodeJS.Signals): Promise<Answer> {
  const child = daemon
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return {}
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill(signal)
  if (signal === 'SIGKILL') await gone
  return {}
}

async function obey(order: Order): Promise<Answer> {
  switch (order.do) {
    case 'ask': {
      const { method, path, body } = order
      const text = body === undefined ? undefined : JSON.stringify(body)
      const headers: Record<string, string> =
        text === undefined ? {} : { 'content-type': 'application/json' }
      const { status, text: said } = await ask(SOCKET, method, path, text, headers)
      return { reply: { status, text: said } }
    }
    case 'run':
      return { ended: await lanyard(order.words).ended }
    case 'start daemon':
      return await startDaemon()
    case 'signal daemon':
      return await signalDaemon(order.signal)
    case 'add sandbox':
      await ip(`netns add ${order.netns}`)
      return {}
    case 'end sandbox':
      await ip(`netns del ${order.netns}`)
      return {}
    case 'read address': {
      const shown = await ip(`-n ${order.netns} -4 -o address show`)
      return { address: / inet ([0-9.]+)\/\d+ .*eth0/.exec(shown)?.[1] ?? '' }
    }
  }
}

await run('hostname', [host])
if (hostname() !== host) throw new Error('this is to run in a guest of its own')
for (const line of [
  'link set vec0 name eth0',
  `address add ${address}/24 dev eth0`,
  'link set eth0 up',
])
  await ip(line)
mkdirSync('/run/state', { recursive: true })
mkdirSync('/run/lanyard', { recursive: true })
// Both see one file system, and one machine-id.
writeFileSync('/run/state/host-id', `soak${host} ${host}\n`)

createServer((request, response) => {
  let text = ''
  request.setEncoding('utf8').on('data', (part: string) => (text += part))
  request.on('end', () => {
    const failed = (error: unknown): Answer => ({ failed: String(error) })
    void obey(JSON.parse(text) as Order)
      .catch(failed)
      .then((answer) => response.end(JSON.stringify(answer)))
  })
}).listen(ORDER_PORT, address)
