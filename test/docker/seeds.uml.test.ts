/** The walkthroughs' chapters as tests. */
import { inWorld } from './inside.ts'
import { type Chapter, chapters, compare, prepare, prepareVlans } from './seeds.ts'

type Suite = (name: string, cases: Parameters<typeof inWorld>[1]) => void

/** Adds the chapters that are wanted. */
export function addChapters(
  only: (chapter: Chapter) => boolean,
  suite: Suite = (name, cases) => inWorld(name, cases),
): void {
  suite('walkthroughs, -d macvlan and -d lanyard side by side', (hands, add) => {
    let prepared = false
    for (const chapter of chapters) {
      if (!only(chapter)) continue
      add(chapter.name, async () => {
        if (!prepared) {
          prepare(hands)
          if (chapter.needs.includes('vlan')) prepareVlans(hands)
          prepared = true
        }
        await compare(hands, chapter)
      })
    }
  })
}
