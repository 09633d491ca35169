/** What a look at this machine could not see, in sentences. */
import type { LiveSnapshot } from '../kernel/live.ts'

/**
 * @param silent the sentence about a container engine that did not answer
 * @param name what a namespace is called
 */
export function shortcomingsOf(
  { unread, moving }: Pick<LiveSnapshot, 'unread' | 'moving'>,
  silent: string | undefined,
  name: (netns: string) => string,
): string[] {
  return [
    ...unread.map(({ what, why }) => `${what} could not be read: ${why}`),
    ...moving.map(
      (netns) => `${name(netns)} changed whenever it was read: what is said may be out of date`,
    ),
    ...(silent === undefined ? [] : [`${silent}; containers go without their names`]),
  ]
}
