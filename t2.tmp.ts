import { loadLab } from '/work/wt/explain/src/cli/lab-file.ts'
import { planLab } from '/work/wt/explain/src/lab/plan.ts'
import { openSim } from '/work/wt/explain/src/sim/fabric.ts'
import { ask, forget, reaches } from '/work/wt/explain/src/explain/ask.ts'
import { takeSnapshot } from '/work/wt/explain/src/sim/snapshot.ts'
const { topologies } = loadLab('/work/wt/explain/examples/seed-000')
const f = openSim(); f.applyNow(planLab(topologies[0]!, {prefix:''})); await f.settle()
const s = (await f.snapshot()).netns.find(n=>n.name==='router')!
console.log(s.sysctls, s.links.map(l=>l.name+l.kind))
// speed: 30 endpoints
const { parse } = await import('yaml')
import { readLab } from '/work/wt/explain/src/lab/read.ts'
import { LabSource } from '/work/wt/explain/src/lab/source.ts'
let y = `lab: big\nswitches:\n  sw: {ports: {p0: {}, p1: {}, p2: {}}}\nhosts:\n  h0: {nics: {eth0: {to: sw:p0, addr: 10.0.0.1/24}}}\n  h1: {nics: {eth0: {to: sw:p1, addr: 10.0.0.2/24}}}\n  h2: {nics: {eth0: {to: sw:p2, addr: 10.0.0.3/24}}}\nnetworks:\n  lan: {parent: eth0, driver: macvlan, mode: private, subnet: 10.0.0.0/24}\ncontainers:\n`
for (let i=0;i<27;i++) y += `  c${i}: {host: h${i%3}, net: lan=10.0.0.${100+i}}\n`
const big = openSim(); big.applyNow(planLab(readLab(new LabSource('x', y))[0]!, {prefix:''})); await big.settle(); await big.clock.sleep(10000)
forget(big)
for (let k=0;k<8;k++){
 let t=performance.now(); const w=[]; for(let i=0;i<20;i++) w.push(big.fork()); const tf=(performance.now()-t)/20
 t=performance.now(); for(const x of w) ask(x,{from:'c0',to:'c3',target:0x0a000000+103,protocol:'icmp'}); const ta=(performance.now()-t)/20
 t=performance.now(); for(const x of w) forget(x); const tg=(performance.now()-t)/20
 t=performance.now(); for(const x of w) reaches(x,{from:'c0',to:'c1',target:0x0a000000+101,protocol:'icmp'}); const tr=(performance.now()-t)/20
 t=performance.now(); for(let i=0;i<20;i++) takeSnapshot(big.world); const ts=(performance.now()-t)/20
 console.log({fork:tf, askfail:ta, forget:tg, reachok: tr, snap: ts})
}
