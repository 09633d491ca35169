/** Short ways to say what the simulated kernel answers to an op. */
import type { Refusal } from './model.ts'

export function refuse(errno: string, extack?: string): Refusal {
  return extack === undefined ? { errno } : { errno, extack }
}

export const EINVAL: Refusal = Object.freeze(refuse('EINVAL'))
export const EBUSY: Refusal = Object.freeze(refuse('EBUSY'))
export const EEXIST: Refusal = Object.freeze(refuse('EEXIST'))
export const ENOENT: Refusal = Object.freeze(refuse('ENOENT'))
export const ENODEV: Refusal = Object.freeze(refuse('ENODEV'))
export const ERANGE: Refusal = Object.freeze(refuse('ERANGE'))
export const ENETDOWN: Refusal = Object.freeze(refuse('ENETDOWN'))
export const EOPNOTSUPP: Refusal = Object.freeze(refuse('EOPNOTSUPP'))
export const EADDRINUSE: Refusal = Object.freeze(refuse('EADDRINUSE'))
export const EADDRNOTAVAIL: Refusal = Object.freeze(refuse('EADDRNOTAVAIL'))
