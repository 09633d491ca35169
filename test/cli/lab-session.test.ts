/**
 * docs/tutorial/session.md, typed at a terminal (util-linux `script`): what stands there is what
 * the terminal shows. And Ctrl-C, at a prompt and in a command: the lab is as it was.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { buildProgram, removeProgram, ROOT } from '../support/program.ts'
import { Terminal, terminalEnv, terminalIsThere } from '../support/terminal.ts'

const TIMEOUT_MS = 120_000

describe.skipIf(!terminalIsThere())('at a terminal', { timeout: TIMEOUT_MS }, () => {
  let folder: string
  let terminal: Terminal

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'lanyard-session-'))
    await buildProgram()
    terminal = new Terminal(terminalEnv(folder))
    await terminal.until()
  }, TIMEOUT_MS)
  afterAll(() => {
    terminal.close()
    rmSync(folder, { recursive: true, force: true })
    removeProgram()
  })

  test('the session of the page', async () => {
    const page = readFileSync(join(ROOT, 'docs/tutorial/session.md'), 'utf8')
    const wanted = /```console\n([\s\S]*?)\n```/.exec(page)?.[1] ?? ''
    const lines = [...wanted.matchAll(/^(?:\$|\[root@\S+ ~\]#) (.*)$/gm)].map(([, line]) => line)
    expect(lines.length).toBeGreaterThan(0)
    for (const line of lines) await terminal.type(`${line}\n`)
    const shown = terminal.shown.replace(/\n\$ $/, '').replaceAll(/ +$/gm, '')
    expect(shown).toBe(wanted)
  })

  test('Ctrl-C gives a line up; the lab is as it was', async () => {
    await terminal.type('lanyard lab up docs/tutorial/home.yaml -q\n')
    await terminal.type('lanyard lab shell nas\n')
    await terminal.type('ip netns add never', /never$/)
    expect(await terminal.type('\u0003')).toContain('^C')
    expect(await terminal.type('ip netns add once; ip netns\n')).toContain('\nonce\n')
    expect(await terminal.type('ip netns\n')).not.toContain('never')
    await terminal.type('exit\n')
    expect(await terminal.type('lanyard lab exec nas -- ip netns\n')).toContain('\nonce\n')
    expect(await terminal.type('lanyard lab down\n')).toContain('removed lab home')
  })

  test.each(['exec nas --', 'shell nas'])('Ctrl-C in a command that runs: %s', async (words) => {
    const long = 'ping -c 300000 192.168.8.1'
    const lock = join(folder, 'state/lanyard/labs/home/lock')
    await terminal.type('lanyard lab up docs/tutorial/home.yaml -q\n')
    if (words.startsWith('shell')) await terminal.type(`lanyard lab ${words}\n`)
    const line = words.startsWith('shell') ? long : `lanyard lab ${words} ${long}`
    terminal.press(`${line}\n`)
    // Whoever runs a command has the lab's lock.
    await vi.waitUntil(() => existsSync(lock), { timeout: TIMEOUT_MS })
    await terminal.type('\u0003', /\n\$ $/)
    expect(await terminal.type('echo $?\n')).toContain('\n130\n')
    const after = await terminal.type('lanyard lab exec nas -- ip netns add once\n')
    expect(after).not.toContain('waiting')
    // What was given up never happened.
    expect(await terminal.type('lanyard lab status home\n')).not.toContain('ping')
    expect(await terminal.type('lanyard lab down\n')).toContain('removed lab home')
  })
})
