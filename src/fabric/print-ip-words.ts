/** Command lines from words: which tool, in which namespace, and quoting for a shell. */

/** A word of a command line; `false` and `undefined` say nothing. */
export type Word = string | number | false | undefined
export type Words = readonly Word[]

/** `NAME VALUE`, or nothing when there is no value. */
export function words(name: string, value: string | number | undefined): Words {
  return value === undefined ? [] : [name, value]
}

/** `NAME on` or `NAME off`, or nothing. */
export function onOff(name: string, value: boolean | undefined): Words {
  return value === undefined ? [] : [name, value ? 'on' : 'off']
}

/** `NAME 1` or `NAME 0`, or nothing. */
export function oneZero(name: string, value: boolean | undefined): Words {
  return value === undefined ? [] : [name, value ? 1 : 0]
}

function join(all: Words): string {
  return all.filter((word) => word !== undefined && word !== false).join(' ')
}

/** Whether `ip -n` knows the namespace: a name, not a path and not a process. */
function isNamed(netns: string): boolean {
  return !netns.includes('/') && !netns.startsWith('pid:')
}

/** The path nsenter(1) takes for a namespace that has no name. */
function pathOf(netns: string): string {
  return netns.startsWith('pid:') ? `/proc/${netns.slice(4)}/ns/net` : netns
}

/** A command that has no `-n` of its own, in a namespace. */
export function inNetns(netns: string, command: Words): string {
  if (netns === '') return join(command)
  if (isNamed(netns)) return join(['ip', 'netns', 'exec', quote(netns), ...command])
  return join(['nsenter', `--net=${quote(pathOf(netns))}`, ...command])
}

/** `ip`, `bridge` or `tc` in a namespace, with flags of the tool in front of the object. */
export function tool(
  name: 'ip' | 'bridge' | 'tc',
  netns: string,
  rest: Words,
  flag?: Word,
): string {
  if (netns === '') return join([name, flag, ...rest])
  if (isNamed(netns)) return join([name, '-n', quote(netns), flag, ...rest])
  return inNetns(netns, [name, flag, ...rest])
}

export function ip(netns: string, rest: Words, flag?: Word): string {
  return tool('ip', netns, rest, flag)
}

/**
 * A namespace as the value of `netns`: a name, a path or a process. The fabric's own has no name;
 * process 1 stands for it, as in every guide.
 */
export function netnsValue(netns: string): string {
  if (netns === '') return '1'
  return netns.startsWith('pid:') ? netns.slice(4) : quote(netns)
}

/** A word as a POSIX shell reads it back. */
export function quote(text: string): string {
  if (/^[A-Za-z0-9_./:=@%+,-]+$/.test(text)) return text
  return `'${text.replaceAll("'", "'\\''")}'`
}
