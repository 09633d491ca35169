import { loadLab } from '/work/wt/explain/src/cli/lab-file.ts'
import { planLab } from '/work/wt/explain/src/lab/plan.ts'
import { openSim } from '/work/wt/explain/src/sim/fabric.ts'
import { ask, forget } from '/work/wt/explain/src/explain/ask.ts'
import { printFrame } from '/work/wt/explain/src/wire/print.ts'
import { parseIp } from '/work/wt/explain/src/addr/ip.ts'
const { topologies } = loadLab('/work/wt/explain/examples/seed-001')
const t = topologies.find(t => t.variables['mode']==='vepa' && t.variables['hairpin']===(process.argv[4]==='h'))!
const f = openSim(); f.applyNow(planLab(t, {prefix:''})); await f.settle()
forget(f)
const a = ask(f, { from: process.argv[2]!, to: undefined, target: parseIp(process.argv[3]!), protocol: 'icmp' })
console.log(a.ok, a.code, a.result)
const n = (d:number)=> d<0?'-': f.world.devices[d]!.netns.name+':'+f.world.devices[d]!.name
for (const s of a.steps) console.log(s===a.end?'*':' ', s.timeNs, s.action, n(s.device), '->', s.action==='deliver'?s.to:n(s.to), s.reason??'', s.note??'', s.frame?printFrame(s.frame).slice(0,60):'')
import { wayOf } from '/work/wt/explain/src/explain/way.ts'
for (const l of wayOf(f.world, a.steps, a.end, undefined)) { console.log(l.message, l.back, l.arrived); for (const h of l.hops) console.log('    ', h.netns, h.links.join(' → '), h.copies, h.decisive) }
