/** One measured file replayed: which replayer reads which kind. */
import { replayErrors } from './replay-errors.ts'
import { replayFrames } from './replay-frames.ts'
import { replayMessages } from './replay-messages.ts'
import { replayMiscIp, replayRateLimits, replayTranscript } from './replay-misc.ts'
import { replayProbes } from './replay-probes.ts'
import { replayTiming } from './replay-timing.ts'
import type { Row, TruthFile } from './rows.ts'
import type { Places } from './world.ts'

export function replay(places: Places, file: TruthFile): Promise<Row[]> {
  switch (file.kind) {
    case 'probes':
      return replayProbes(places, file)
    case 'frames':
      return replayFrames(places, file)
    case 'errors':
      return replayErrors(places, file)
    case 'messages':
      return replayMessages(places, file)
    case 'transcript':
      return replayTranscript(places, file)
    case 'timing':
      return replayTiming(places, file)
    case 'misc':
      return file.name === 'misc-ip' ? replayMiscIp(places, file) : replayRateLimits(places, file)
    default:
      return file.kind satisfies never
  }
}
