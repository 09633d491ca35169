/** What a guest of the soak is asked to do (inside.ts), and what it answers. */
import type { Ended } from '../support/program.ts'

export type Order =
  | { readonly do: 'ask'; readonly method: string; readonly path: string; readonly body?: object }
  | { readonly do: 'run'; readonly words: readonly string[] }
  | { readonly do: 'start daemon' }
  | { readonly do: 'signal daemon'; readonly signal: NodeJS.Signals }
  | { readonly do: 'add sandbox' | 'end sandbox' | 'read address'; readonly netns: string }

export type Answer =
  | { readonly reply: { readonly status: number; readonly text: string } }
  | { readonly ended: Ended }
  | { readonly address: string }
  | { readonly failed: string }
  | Record<string, never>

/** Where a guest listens for orders, on its address of the LAN. */
export const ORDER_PORT = 7000

/** What a guest is told at its start. */
export interface Setup {
  readonly host: string
  readonly address: string
  readonly store: string
}
