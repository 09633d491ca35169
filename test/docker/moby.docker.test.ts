/** moby's cases that this machine's own kernel can run; a guest runs the others. */
import { describeDocker } from '../describe-docker.ts'
import { inWorld } from './inside.ts'
import { mobyCases } from './moby.ts'
import { hasKernel } from './needs.ts'

inWorld(
  "moby's own cases, on -d lanyard",
  (hands, add) => {
    for (const { name, needs, run } of mobyCases)
      if (needs.every(hasKernel)) add(name, () => run(hands))
  },
  describeDocker,
)
