/** What passes a link while something is done, in tcpdump's words. */
import { decodeFrame } from '../../src/wire/codec.ts'
import { printFrame } from '../../src/wire/print.ts'
import type { Place } from './world.ts'

/**
 * Frames that entered or left a link from now until the deed is done, one sentence each; on a
 * kernel what is late gets 0.3 s more.
 */
export async function frameSentences(
  place: Place,
  { netns, link }: { readonly netns: string; readonly link: string },
  deed: () => Promise<unknown>,
): Promise<readonly string[]> {
  const { fabric } = place.session
  const seen: string[] = []
  const port = await fabric.openPort(netns, link, ({ bytes }) => {
    const frame = decodeFrame(bytes)
    if (frame !== undefined) seen.push(printFrame(frame))
  })
  try {
    await deed()
    await place.settle(fabric.kind === 'kernel' ? 300 : 5)
  } finally {
    port.close()
  }
  return seen
}
