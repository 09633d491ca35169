/**
 * How many terminal columns a text takes: East Asian wide letters two, combining marks none
 * (Unicode TR 11, the ranges terminals agree on). Colour codes take none.
 */
// oxlint-disable-next-line no-control-regex -- the escape character is what colours begin with
const COLOUR = /\u001b\[[0-9;]*m/g
/** Marks that join the letter before them, and signs without width. */
const COMBINING = /^(?:\p{Mn}|\p{Me}|\p{Cf})$/u
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1f64f],
  [0x1f900, 0x1f9ff],
  [0x20000, 0x3fffd],
]

export function widthOf(text: string): number {
  let width = 0
  for (const char of text.replace(COLOUR, '')) {
    const code = char.codePointAt(0) as number
    if (COMBINING.test(char)) continue
    width += WIDE.some(([from, to]) => code >= from && code <= to) ? 2 : 1
  }
  return width
}

export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)))
}

export function padStart(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - widthOf(text))) + text
}

/** Lines of at most `width` columns, broken at spaces; a longer word has a line of its own. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const line = lines.at(-1)
    if (line !== undefined && widthOf(line) + 1 + widthOf(word) <= width) {
      lines[lines.length - 1] = `${line} ${word}`
    } else lines.push(word)
  }
  return lines
}
