/** A terminal for a test (util-linux `script`): what is typed at it, and what it shows. */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { programWords, ROOT } from './program.ts'

const PROMPT = /(?:^|\n)(?:\$ |\[root@\S+ ~\]# )$/

/** False where there is no script(1): then a test says so; with CI=true that is an error. */
export function terminalIsThere(): boolean {
  const there = spawnSync('script', ['--version']).status === 0
  if (!there && process.env['CI'] === 'true')
    throw new Error('must not be skipped: no "script" (Debian: bsdutils)')
  return there
}

/** The environment in which `lanyard` is the program, and its labs are in a folder. */
export function terminalEnv(folder: string): NodeJS.ProcessEnv {
  mkdirSync(join(folder, 'bin'))
  const lanyard = join(folder, 'bin/lanyard')
  const words = programWords().map((word) => `'${word}'`)
  writeFileSync(lanyard, `#!/bin/sh\nexec ${words.join(' ')} "$@"\n`)
  chmodSync(lanyard, 0o755)
  return {
    ...process.env,
    // Without cursor movements: what is shown is what was printed.
    TERM: 'dumb',
    NO_COLOR: '1',
    SHELL: '/bin/sh',
    PATH: `${folder}/bin:${process.env['PATH']}`,
    XDG_STATE_HOME: join(folder, 'state'),
    LANYARD_LAB: '',
  }
}

/** A terminal with a shell in it, in the project's folder. */
export class Terminal {
  readonly #child: ChildProcessWithoutNullStreams
  #shown = ''
  #ended = false
  #wake = (): void => undefined

  constructor(env: NodeJS.ProcessEnv) {
    const shell = "stty cols 100 && exec env 'PS1=$ ' bash --norc --noprofile --noediting -i"
    this.#child = spawn('script', ['-qefc', shell, '/dev/null'], { cwd: ROOT, env })
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#shown += text.replaceAll('\r', '')
        this.#wake()
      })
    this.#child.on('close', () => {
      this.#ended = true
      this.#wake()
    })
  }

  press(keys: string): void {
    this.#child.stdin.write(keys)
  }

  /** Types keys, waits for the next prompt. @returns what was shown since */
  async type(keys: string, end = PROMPT): Promise<string> {
    const from = this.#shown.length
    this.press(keys)
    await this.until(end, from)
    return this.#shown.slice(from)
  }

  /** Waits until what was shown from somewhere on ends in a way. */
  async until(end = PROMPT, from = 0): Promise<void> {
    while (!end.test(this.#shown.slice(from))) {
      if (this.#ended) throw new Error(`the terminal ended: ${this.#shown.slice(from)}`)
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  get shown(): string {
    return this.#shown
  }

  close(): void {
    this.#child.kill('SIGHUP')
  }
}
