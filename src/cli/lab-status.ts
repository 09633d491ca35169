/** `lanyard lab status`: the labs that are up, or one of them more closely. */
import { existsSync } from 'node:fs'
import { commandsOf, isSave } from '../lab/journal.ts'
import { formatVariables } from '../lab/variables.ts'
import { isRunning } from './guest-record.ts'
import { chooseLab, fileNote, readJournal } from './lab-live.ts'
import { fabricText, type LabInfo, LabState } from './lab-state.ts'
import { formatTable } from './table.ts'

interface StatusOptions {
  readonly json?: boolean
}

/** Commands shown of a lab; all of them in JSON. */
const SHOWN = 10

export async function labStatus(lab: string | undefined, options: StatusOptions): Promise<void> {
  const state = new LabState()
  if (lab === undefined) {
    const all = state.names().map((name) => state.info(name))
    if (options.json === true) writeJson(all.map((info) => summary(state, info)))
    else process.stdout.write(all.length === 0 ? 'no lab is up\n' : tableOf(state, all))
    return
  }
  const info = state.info(chooseLab(state, lab))
  const lock = await state.lock(info.lab)
  try {
    if (options.json === true) {
      const { records } = readJournal(state, info.lab)
      writeJson({
        ...summary(state, info),
        nodes: info.nodes,
        journal: records.map((r) => (isSave(r) ? r : { node: r.node, line: r.line, code: r.code })),
      })
    } else process.stdout.write(oneLab(state, info))
  } finally {
    lock.release()
  }
}

function writeJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`)
}

function summary(state: LabState, info: LabInfo): object {
  const { lab, fabric, file, variables, made } = info
  const commands = commandsOf(readJournal(state, lab).records).length
  const { guest } = info
  return {
    lab,
    fabric,
    ...(guest === undefined ? {} : { guest: { pid: guest.pid, running: isRunning(guest) } }),
    file,
    changed: fileNote(state, info) !== undefined,
    variables,
    made,
    commands,
  }
}

function tableOf(state: LabState, all: readonly LabInfo[]): string {
  return formatTable(
    ['LAB', 'WHERE', 'NODES', 'COMMANDS', 'FILE'],
    all.map((info) => [
      info.lab,
      whereIs(info),
      String(info.nodes.length),
      info.fabric === 'sim' ? String(commandsOf(readJournal(state, info.lab).records).length) : '-',
      `${info.file}${fileMark(state, info)}`,
    ]),
  )
}

/** A kernel in User Mode Linux is a process, which may have ended. */
function whereIs({ fabric, guest }: LabInfo): string {
  const text = fabricText(fabric)
  if (guest === undefined) return text
  return isRunning(guest) ? `${text}, process ${guest.pid}` : `${text}, which has ended`
}

function fileMark(state: LabState, info: LabInfo): string {
  if (!existsSync(info.file)) return ' (gone)'
  return fileNote(state, info) === undefined ? '' : ' (changed)'
}

function oneLab(state: LabState, info: LabInfo): string {
  const note = fileNote(state, info)
  const kinds = (kind: string) => info.nodes.filter((n) => n.kind === kind).map((n) => n.name)
  const lines = [
    `lab        ${info.lab}${info.title === '' ? '' : `: ${info.title}`}`,
    `where      ${whereIs(info)}, since ${info.made}`,
    `file       ${info.file}`,
    ...(note === undefined ? [] : [`           ${note}`]),
    ...row('variables', formatVariables(info.variables)),
    ...row('hosts', kinds('host').join(' ')),
    ...row('containers', kinds('container').join(' ')),
    ...row('switches', kinds('switch').join(' ')),
  ]
  return `${lines.join('\n')}\n${info.fabric === 'sim' ? journalText(state, info.lab) : ''}`
}

function row(name: string, text: string): string[] {
  return text === '' ? [] : [`${name.padEnd(10)} ${text}`]
}

function journalText(state: LabState, lab: string): string {
  const { records } = readJournal(state, lab)
  const count = commandsOf(records).length
  if (records.length === 0) return 'commands   none so far\n'
  let back = count
  const lines = records.map((record) => {
    if (isSave(record)) return `           -- saved ${record.save}`
    const text = `${String(back--).padStart(6)}   ${record.node}# ${record.line}`
    return record.code === 0 ? text : `${text}   (status ${record.code})`
  })
  const left = lines.length - SHOWN
  const more = left > 0 ? [`           ... ${left} before`] : []
  const head = `commands   ${count}; the number is what "lanyard lab back" takes to undo from there`
  return `${[head, ...more, ...lines.slice(-SHOWN)].join('\n')}\n`
}
