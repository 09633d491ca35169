/** Ctrl-C and friends: the lab is asked to stop, removes what it made, and the program ends. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export interface Stop {
  readonly signal: AbortSignal
  /** From here on a signal ends the program at once again. */
  done(): void
}

/** @param again what a second signal is told */
export function onStop(again = 'still removing the lab'): Stop {
  const controller = new AbortController()
  const stop = (): void => {
    if (controller.signal.aborted) process.stderr.write(`lanyard: ${again}\n`)
    controller.abort()
  }
  for (const name of SIGNALS) process.on(name, stop)
  return {
    signal: controller.signal,
    done: () => {
      for (const name of SIGNALS) process.off(name, stop)
    },
  }
}
