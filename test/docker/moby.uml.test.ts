/** moby's cases inside a guest, whose kernel has all they need. */
import { mobyCases } from './moby.ts'
import { inWorld } from './inside.ts'

/** Adds the cases whose names are wanted. */
export function addMoby(only: (name: string) => boolean): void {
  inWorld("moby's own cases, on -d lanyard", (hands, add) => {
    for (const { name, run } of mobyCases) if (only(name)) add(name, () => run(hands))
  })
}
