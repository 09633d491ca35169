/** `npm run model -- [SEEDS] [FIRST]`: the model over many seeds; the nightly run is 100,000. */
import { ModelRun } from './run.ts'

const [count = 100_000, first = 1] = process.argv.slice(2).map(Number)
if (![count, first].every((n) => Number.isSafeInteger(n) && n > 0)) {
  console.error('npm run model -- [SEEDS] [FIRST]: whole numbers from 1')
  process.exit(2)
}
const started = performance.now()
let [steps, answered] = [0, 0]
for (let seed = first; seed < first + count; seed++) {
  const result = await new ModelRun({ seed }).run()
  steps += result.steps
  answered += result.answered
  if (seed % 1000 === 0) console.log(`seed ${seed}: ${steps} steps, ${answered} connects answered`)
}
const seconds = (performance.now() - started) / 1000
console.log(
  `${count} seeds, ${steps} steps, ${answered} connects answered in ${seconds.toFixed(1)} s: nothing found`,
)
