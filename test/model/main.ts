/** `npm run model -- [SEEDS] [FIRST]`: the model over many seeds; the nightly run is 100,000. */
import { ModelRun } from './run.ts'

const [count = 100_000, first = 1, ...more] = process.argv.slice(2).map(Number)
if (more.length > 0 || ![count, first].every((n) => Number.isSafeInteger(n) && n > 0)) {
  console.error('npm run model -- [SEEDS] [FIRST]: one or two whole numbers from 1')
  process.exit(2)
}
const started = performance.now()
const sum = { steps: 0, asked: 0, answered: 0, onSpares: 0, agreed: 0 }
const say = (): string =>
  `${sum.steps} steps, ${sum.asked} requests, ${sum.answered} connects answered, ${sum.onSpares} of them on spares, ${sum.agreed} answers true at the end`
for (let seed = first; seed < first + count; seed++) {
  const result = await new ModelRun({ seed }).run()
  sum.steps += result.steps
  sum.asked += result.asked
  sum.answered += result.answered
  sum.onSpares += result.onSpares
  sum.agreed += result.agreed
  if (seed % 1000 === 0) console.log(`seed ${seed}: ${say()}`)
}
const seconds = (performance.now() - started) / 1000
console.log(`${count} seeds, ${say()} in ${seconds.toFixed(1)} s: nothing found`)
