/**
 * The daemon's log: one JSON object a line, for journald and whatever reads it. What is logged of a
 * request is its path, its outcome and who asked; bodies are not, so labels stay private.
 */
import { type Logger, pino } from 'pino'

export const LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type Level = (typeof LEVELS)[number]

export function openLog(level: Level, descriptor = 2): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    // Synchronous: the line before a crash is the one that matters.
    pino.destination({ dest: descriptor, sync: true }),
  )
}
