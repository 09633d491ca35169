import type { Op } from '../src/fabric/plan.ts'
import { openKernel } from '../src/kernel/fabric.ts'
const N = Number(process.env.N ?? 300)
const kernel = await openKernel()
const H = 'zzmove'
const box = (i: number) => `${H}-${i}`
const all = [H, ...Array.from({ length: N }, (_, i) => box(i))]
await kernel.apply([...all.map((netns): Op => ({ do: 'netns.add', netns })), { do: 'link.add', netns: H, name: 'p0', spec: { kind: 'veth', peer: { name: 'p1' } }, up: true }, { do: 'link.set', netns: H, name: 'p1', up: true }])
const fill = async () => { const s = performance.now(); await kernel.apply(Array.from({ length: N }, (_, i): Op[] => [{ do: 'link.add', netns: box(i), parentNetns: H, name: 'eth0', spec: { kind: 'macvlan', parent: 'p0', macvlan: { mode: 'bridge' } }, group: 7001 }, {do:'address.add', netns: box(i), link:'eth0', address:{address: 0x0a000000+i+2, length: 16}}, {do:'link.set',netns:box(i),name:'eth0',up:true}]).flat()); console.log('fill', performance.now() - s) }
const time = async (name: string, f: () => Promise<unknown>) => { const s = performance.now(); await f(); console.log(name, (performance.now() - s).toFixed(1), 'ms') }
await fill()
await time('one by one x20', () => kernel.apply(Array.from({ length: 20 }, (_, i): Op => ({ do: 'link.del', netns: box(i), name: 'eth0' }))))
await time('move rest', () => kernel.apply(Array.from({ length: N - 20 }, (_, i): Op => ({ do: 'link.set', netns: box(i + 20), name: 'eth0', newNetns: H, newName: `zm${i}` }))))
await time('group del', () => kernel.apply([{ do: 'link.del-group', netns: H, group: 7001 }]))
await fill()
await time('down all', () => kernel.apply(Array.from({ length: N }, (_, i): Op => ({ do: 'link.set', netns: box(i), name: 'eth0', up: false }))))
await time('move down', () => kernel.apply(Array.from({ length: N }, (_, i): Op => ({ do: 'link.set', netns: box(i), name: 'eth0', newNetns: H, newName: `zm${i}` }))))
await time('group del', () => kernel.apply([{ do: 'link.del-group', netns: H, group: 7001 }]))
await fill()
await time('parent del', () => kernel.apply([{ do: 'link.del', netns: H, name: 'p0' }]))
await kernel.apply(all.map((netns): Op => ({ do: 'netns.del', netns })), { keepGoing: true })
