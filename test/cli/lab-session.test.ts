/**
 * docs/tutorial/session.md, typed at a terminal (util-linux `script`): what stands there is what the
 * terminal shows. And Ctrl-C at a prompt: the line is given up, the lab is as it was.
 */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildProgram, programWords, removeProgram, ROOT } from '../support/program.ts'

const TIMEOUT_MS = 120_000
const PROMPT = /(?:^|\n)(?:\$ |\[root@\S+ ~\]# )$/
const hasScript = spawnSync('script', ['--version']).status === 0
if (!hasScript && process.env['CI'] === 'true')
  throw new Error('these tests need "script" (Debian: bsdutils)')

/** A terminal with a shell in it. */
class Terminal {
  readonly #child: ChildProcessWithoutNullStreams
  #shown = ''
  #wake = (): void => undefined

  constructor(env: NodeJS.ProcessEnv) {
    const shell = "stty cols 100 && exec env 'PS1=$ ' bash --norc --noprofile --noediting -i"
    this.#child = spawn('script', ['-qefc', shell, '/dev/null'], { cwd: ROOT, env })
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#shown += text.replaceAll('\r', '')
        this.#wake()
      })
  }

  /** Types keys, waits for the next prompt. @returns what was shown, the prompt before it included */
  async type(keys: string, end = PROMPT): Promise<string> {
    const from = this.#shown.length
    this.#child.stdin.write(keys)
    while (!end.test(this.#shown.slice(from)))
      await new Promise<void>((resolve) => (this.#wake = resolve))
    return this.#shown.slice(from)
  }

  async start(): Promise<void> {
    while (!PROMPT.test(this.#shown)) await new Promise<void>((resolve) => (this.#wake = resolve))
  }

  get shown(): string {
    return this.#shown
  }

  close(): void {
    this.#child.kill('SIGHUP')
  }
}

describe.skipIf(!hasScript)('at a terminal', { timeout: TIMEOUT_MS }, () => {
  let folder: string
  let terminal: Terminal

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'lanyard-session-'))
    await buildProgram()
    mkdirSync(join(folder, 'bin'))
    const lanyard = join(folder, 'bin/lanyard')
    const words = programWords().map((word) => `'${word}'`)
    writeFileSync(lanyard, `#!/bin/sh\nexec ${words.join(' ')} "$@"\n`)
    chmodSync(lanyard, 0o755)
    terminal = new Terminal({
      ...process.env,
      // Without cursor movements: what is shown is what was printed.
      TERM: 'dumb',
      NO_COLOR: '1',
      SHELL: '/bin/sh',
      PATH: `${folder}/bin:${process.env['PATH']}`,
      XDG_STATE_HOME: join(folder, 'state'),
      LANYARD_LAB: '',
    })
    await terminal.start()
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
})
