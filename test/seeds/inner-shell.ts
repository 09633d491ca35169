/** A shell that a line opens in a container, on a terminal: `docker exec -it b1 sh`. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import type { Printed } from './play.ts'

const PROMPT = /\/ # $/
/** Movements of the cursor begin with ESC. */
const MOVEMENTS = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*[A-Za-z]`, 'g')

export class InnerShell {
  readonly #child: ChildProcessWithoutNullStreams
  #shown = ''
  #status: number | undefined
  #wake = (): void => undefined

  /** @param words what opens it */
  constructor(words: readonly string[]) {
    const line = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')
    this.#child = spawn('script', ['-qec', line, '/dev/null'])
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#shown = `${this.#shown}${text}`.replaceAll('\r', '').replaceAll(MOVEMENTS, '')
        this.#wake()
      })
    this.#child.on('close', (code) => {
      this.#status = code ?? 1
      this.#wake()
    })
  }

  /** Waits for its prompt. @returns what the line printed if it opened none */
  async open(): Promise<Printed> {
    await this.#until(() => PROMPT.test(this.#shown))
    const open = this.#status === undefined
    return { code: this.#status ?? 0, stdout: open ? '' : this.#shown, stderr: '' }
  }

  async type(line: string): Promise<Printed> {
    this.#shown = ''
    this.#child.stdin.write(line === 'exit' ? 'exit\n' : `${line}; echo "=$?="\n`)
    if (line === 'exit') {
      await this.#until(() => false)
      return { code: 0, stdout: '', stderr: '' }
    }
    const end = /=(\d+)=\n\/ # $/
    await this.#until(() => end.test(this.#shown))
    const code = Number(end.exec(this.#shown)?.[1] ?? 1)
    // Behind the echo of what was typed.
    const stdout = this.#shown.slice(this.#shown.indexOf('\n') + 1).replace(end, '')
    return { code, stdout, stderr: '' }
  }

  close(): void {
    if (this.#status === undefined) this.#child.kill('SIGHUP')
  }

  async #until(what: () => boolean): Promise<void> {
    while (this.#status === undefined && !what())
      await new Promise<void>((resolve) => (this.#wake = resolve))
  }
}
