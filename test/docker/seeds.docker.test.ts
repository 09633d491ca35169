/** The walkthroughs' chapters that this machine's own kernel can run; a guest runs the others. */
import { describeDocker } from '../describe-docker.ts'
import { inWorld } from './inside.ts'
import { hasKernel } from './needs.ts'
import { addChapters } from './seeds.uml.test.ts'

addChapters(
  ({ needs }) => needs.every(hasKernel),
  (name, cases) => inWorld(name, cases, describeDocker),
)
