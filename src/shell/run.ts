/** Runs command lines: the tree of words.ts over the programs of registry.ts. */
import { ToolExit } from './arguments.ts'
import { DIALECT_FILE } from './docker/state.ts'
import { HOSTS_FILE } from './machine.ts'
import { makeRegistry, unknownCommand } from './registry.ts'
import { guarded } from './request.ts'
import { done, failed, type Job, type Output, type Session } from './session.ts'
import { writeProcFile } from './commands/sysctl.ts'
import {
  type List,
  type Node,
  parseLine,
  type Pipeline,
  type Redirect,
  syntaxText,
  type Word,
} from './words.ts'

/** What a frame takes across a lab, and more, ms. */
const UNDER_WAY_MS = 100

const { commands: COMMANDS, applets: APPLETS } = makeRegistry(runWords)

/** Commands this shell has. */
export const COMMAND_NAMES: readonly string[] = [...COMMANDS.keys(), 'sh', 'wait', 'kill']

/**
 * Runs one command line in a session.
 *
 * What the line changes it changes through the session's fabric, op by op: a crash in the middle
 * leaves the ops before it done, exactly as a killed shell would.
 *
 * @example
 * ```ts
 * const out = await runCommand(openSession(fabric), 'ip netns add ns1 && ip -n ns1 link')
 * out.stdout // '1: lo: <LOOPBACK> mtu 65536 qdisc noop state DOWN ...'
 * ```
 */
export async function runCommand(session: Session, line: string): Promise<Output> {
  const tree = parseLine(line)
  if ('kind' in tree) return failed(2, syntaxText(tree))
  const jobs: Job[] = []
  const out = await runList({ ...session, jobs }, tree, '')
  const rest = await endJobs({ ...session, jobs })
  return { ...out, stdout: out.stdout + rest.stdout, stderr: out.stderr + rest.stderr }
}

/** Ends what runs in the background, once what is under way has arrived. */
async function endJobs(session: Session): Promise<Output> {
  const jobs = session.jobs?.splice(0) ?? []
  if (jobs.length > 0) await session.fabric.clock.sleep(UNDER_WAY_MS)
  for (const job of jobs) job.stop()
  let out = done()
  for (const job of jobs) {
    const { code, stdout, stderr } = await job.output
    out = { code, stdout: out.stdout + stdout, stderr: out.stderr + stderr }
  }
  return out
}

/** Starts a pipeline beside the rest of its line; one that does not listen is done at once. */
async function startJob(session: Session, pipeline: Pipeline): Promise<void> {
  let started = (): void => undefined
  let stop = (): void => undefined
  const begun = new Promise<void>((resolve) => {
    started = resolve
  })
  const stopped = new Promise<void>((resolve) => {
    stop = resolve
  })
  const output = runPipeline({ ...session, background: { started, stopped } }, pipeline, '')
  session.jobs?.push({ stop, output })
  await Promise.race([begun, output])
}

/** Runs words as they are: no quotes, variables or pipes in them any more. */
export async function runWords(
  session: Session,
  words: readonly string[],
  stdin: string,
): Promise<Output> {
  const [path = '', ...args] = words
  const name = path.replace(/^(\/usr)?\/s?bin\//, '')
  if (name === 'sh' || name === 'ash' || name === 'bash') return runShell(session, args, stdin)
  if (name === 'wait' || name === 'kill') {
    const nobody = name === 'kill' && (session.jobs ?? []).length === 0
    return nobody ? failed(1, 'sh: 1: kill: No such process\n') : endJobs(session)
  }
  const table = session.busybox === true ? APPLETS : COMMANDS
  const command = table.get(name)
  if (command === undefined && LANGUAGE.test(path)) return noLanguage(path)
  if (command === undefined) return unknownCommand(name, [...table.keys()])
  return command(session, args, stdin)
}

/** A variable set, and keywords of the shell's language but "for". */
const LANGUAGE =
  /^(?:\w+=.*|if|then|else|elif|fi|while|until|do|case|esac|function|export|set|read|test|\[)$/

function noLanguage(word: string): Output {
  const has = 'pipes, && || ; &, ( ), $( ) and for'
  return failed(
    127,
    `lanyard: "${word}" is not part of this shell yet; of its language are ${has}\n`,
  )
}

/** `sh -c LINE`. */
async function runShell(session: Session, args: readonly string[], stdin: string): Promise<Output> {
  if (args[0] !== '-c' || args[1] === undefined) {
    return failed(127, `lanyard: "sh ${args.join(' ')}" is not part of this shell yet\n`)
  }
  const tree = parseLine(args[1])
  if ('kind' in tree) return failed(2, syntaxText(tree))
  return runList(endedWith(session, 0), tree, stdin)
}

/** What `$?` says from here on. */
function endedWith(session: Session, code: number): Session {
  return { ...session, variables: new Map(session.variables).set('?', `${code}`) }
}

async function runList(session: Session, list: List, stdin: string): Promise<Output> {
  let code = 0
  let stdout = ''
  let stderr = ''
  let inside: Output['inside']
  let now = session
  for (const { join, pipeline, background } of list) {
    if ((join === '&&' && code !== 0) || (join === '||' && code === 0)) continue
    if (background) {
      await startJob(session, pipeline)
      code = 0
      now = endedWith(session, code)
      continue
    }
    const out = await runPipeline(now, pipeline, stdin)
    code = out.code
    now = endedWith(session, code)
    stdout += out.stdout
    stderr += out.stderr
    inside = out.inside
  }
  return inside === undefined ? { code, stdout, stderr } : { code, stdout, stderr, inside }
}

async function runPipeline(session: Session, nodes: Pipeline, stdin: string): Promise<Output> {
  let input = stdin
  let stderr = ''
  let last = done()
  for (const node of nodes) {
    last = await runNode(session, node, input)
    stderr += last.stderr
    input = last.stdout
  }
  const { code, inside } = last
  return inside === undefined
    ? { code, stdout: input, stderr }
    : { code, stdout: input, stderr, inside }
}

function runNode(session: Session, node: Node, stdin: string): Promise<Output> {
  return guarded(() => runWhole(session, node, stdin))
}

async function runWhole(session: Session, node: Node, stdin: string): Promise<Output> {
  let out: Output
  if (node.kind === 'group') out = await runList(session, node.body, stdin)
  else if (node.kind === 'for') out = await runFor(session, node, stdin)
  else {
    const words = await expandAll(session, node.words)
    out = words.length === 0 ? done() : await runWords(session, words, stdin)
  }
  for (const redirect of node.redirects) out = await redirected(session, redirect, out)
  return out
}

async function runFor(
  session: Session,
  node: Extract<Node, { kind: 'for' }>,
  stdin: string,
): Promise<Output> {
  let stdout = ''
  let stderr = ''
  let code = 0
  let now = session
  for (const value of await expandAll(session, node.words)) {
    const variables = new Map(now.variables).set(node.name, value)
    const out = await runList({ ...session, variables }, node.body, stdin)
    now = endedWith(session, out.code)
    stdout += out.stdout
    stderr += out.stderr
    code = out.code
  }
  return { code, stdout, stderr }
}

async function expandAll(session: Session, words: readonly Word[]): Promise<string[]> {
  const out: string[] = []
  for (const word of words) out.push(...(await expand(session, word)))
  return out
}

/** One word to the fields it becomes: unquoted substitutions are split on white space. */
async function expand(session: Session, word: Word): Promise<string[]> {
  const fields: string[] = []
  let current: string | undefined
  for (const piece of word) {
    if (piece.kind === 'text') {
      current = (current ?? '') + piece.text
      continue
    }
    const text =
      piece.kind === 'variable'
        ? valueOf(session, piece.name)
        : (await runCommand(session, piece.source)).stdout.replace(/\n+$/, '')
    if (piece.quoted) {
      current = (current ?? '') + text
      continue
    }
    const parts = text.split(/\s+/)
    for (const [n, part] of parts.entries()) {
      if (n > 0 && current !== undefined) {
        fields.push(current)
        current = undefined
      }
      if (part !== '') current = (current ?? '') + part
    }
  }
  if (current !== undefined) fields.push(current)
  return fields
}

/** What a variable says. A real shell has more of them, so one that is unknown is no empty word. */
function valueOf(session: Session, name: string): string {
  const value = session.variables.get(name)
  if (value !== undefined) return value
  const known = [...session.variables.keys()].map((n) => `$${n}`).join(' and ')
  const why = `lanyard: no variable ${name}: this shell keeps none but ${known}`
  throw new ToolExit(127, `${why} and those of "for"\n`)
}

/** `>/dev/null`, `2>&1`, `> /proc/sys/…`: other files there are none. */
async function redirected(session: Session, redirect: Redirect, out: Output): Promise<Output> {
  if (redirect.to === 1) {
    return { ...out, stdout: out.stdout + out.stderr, stderr: '' }
  }
  const path = (await expand(session, redirect.to)).join(' ')
  const text = redirect.from === 1 ? out.stdout : out.stderr
  const rest = redirect.from === 1 ? { ...out, stdout: '' } : { ...out, stderr: '' }
  if (path === '/dev/null') return rest
  const { disk } = session.machine ?? {}
  if ((path === DIALECT_FILE || path === HOSTS_FILE) && disk !== undefined) {
    disk.write(path, redirect.append ? (disk.read(path) ?? '') + text : text)
    return rest
  }
  const written = await writeProcFile(session, path, text)
  if (written === undefined) {
    const why = `lanyard: writing to ${path} is not part of this shell yet\n`
    return { ...rest, code: 127, stderr: rest.stderr + why }
  }
  return written.code === 0
    ? rest
    : { ...rest, code: written.code, stderr: rest.stderr + written.stderr }
}
