/** Colours, for whoever looks at a terminal; none in pipes and files, or with NO_COLOR. */
import { styleText } from 'node:util'
import { type Paint, plain, type Style } from '../lab/paint.ts'

const FORMATS: Readonly<Record<Style, Parameters<typeof styleText>[0]>> = {
  title: 'bold',
  good: 'green',
  bad: 'red',
  dim: 'dim',
}

/** The paint that fits an output. */
export function painter(stream: { readonly isTTY?: boolean }): Paint {
  const { NO_COLOR, FORCE_COLOR } = process.env
  const forced = FORCE_COLOR !== undefined && FORCE_COLOR !== '0'
  const wanted = forced || (stream.isTTY === true && (NO_COLOR ?? '') === '')
  // The stream is looked at above: styleText itself would look at stdout whatever is written to.
  return wanted ? (style, text) => styleText(FORMATS[style], text) : plain
}
