/**
 * What a machine has in its /etc/hosts, told to its containers: its own resolver at 127.0.0.53, as
 * systemd-resolved has it, which Docker's resolver asks for the names it does not know.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { enterNode } from '../../src/cli/lab-enter.ts'

/** Of RFC 1035 what one question for an address needs: whoever asks is of this test. */
const PROGRAM = `
const { readFileSync } = require('node:fs')
const rows = () => readFileSync('/etc/hosts', 'utf8').split('\\n').map((row) => row.split(/\\s+/))
const server = require('node:dgram').createSocket('udp4')
server.on('message', (asked, from) => {
  const labels = []
  let at = 12
  for (let n; (n = asked[at]) > 0; at += n + 1)
    labels.push(asked.toString('latin1', at + 1, at + 1 + n))
  const isAddress = asked.readUInt16BE(at + 1) === 1
  const row = rows().find(([, ...names]) => names.includes(labels.join('.')))
  const found = row !== undefined && isAddress
  const address = found ? row[0].split('.').map(Number) : []
  const record = found ? [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, ...address] : []
  const flags = [0x81, row === undefined ? 0x83 : 0x80]
  const counts = [0, 1, 0, record.length === 0 ? 0 : 1, 0, 0, 0, 0]
  const question = asked.subarray(12, at + 5)
  const answer = [...asked.subarray(0, 2), ...flags, ...counts, ...question, ...record]
  server.send(Buffer.from(answer), from.port, from.address)
})
server.bind(53, '127.0.0.53', () => console.log('up'))
`

export class NameServer {
  readonly #lab: string
  readonly #folder: string
  readonly #running = new Map<string, ChildProcess>()

  /** @param folder where machines have their tables; it is removed by whoever made it */
  constructor(lab: string, folder: string) {
    this.#lab = lab
    this.#folder = folder
  }

  /** Before a line that writes a machine's own table: the node gets one, and who tells it. */
  async start(node: string): Promise<void> {
    if (this.#running.has(node)) return
    const enter = enterNode(this.#lab, node)
    const table = join(this.#folder, `${node}.hosts`)
    writeFileSync(table, '127.0.0.1 localhost\n')
    const [program, ...args] = [...enter, 'mount', '--bind', table, '/etc/hosts']
    const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`the table of ${node}: ${stderr}`)
    const [first, ...rest] = [...enter, process.execPath, ...process.execArgv, '-e', PROGRAM]
    const child = spawn(first, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#running.set(node, child)
    const up = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
    if (child.exitCode !== null) throw new Error(`the resolver of ${node} ended: ${up.join(' ')}`)
  }

  close(): void {
    for (const child of this.#running.values()) child.kill('SIGKILL')
  }
}
