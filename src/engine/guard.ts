/**
 * Changes that touch the host's own network card: planned, applied, and taken back when the host
 * lost its gateway by them.
 */
import { formatIp, type Ip } from '../addr/ip.ts'
import { LanyardError } from '../errors.ts'
import type { Plan } from '../fabric/plan.ts'
import { undoPlan } from '../fabric/undo.ts'
import { applyGently, type Context } from './context.ts'
import type { Network } from './types.ts'
import { UndoStack } from './undo-stack.ts'

const GATEWAY_MS = 300
const ATTEMPTS = 3
/** Some cards lose their carrier for seconds when their MTU changes. */
const CARRIER_MS = 5000
const LOOK_EVERY_MS = 100
const GONE = ['ENODEV', 'ENOENT', 'ESRCH', 'EADDRNOTAVAIL'] as const

/**
 * Applies a plan that touches the host's own network card, and looks whether the host still has
 * its gateway; if it had one before and has none after, all is put back.
 *
 * A crash in the middle leaves what the plan's ops leave; whoever asks says who mends it.
 *
 * @throws LanyardError `parent-cut-off`, and what the fabric refuses
 */
export async function applyGuarded(context: Context, network: Network, plan: Plan): Promise<void> {
  if (plan.length === 0) return
  const { fabric, view, host } = context
  const gateway = await gatewayOf(context, network)
  const before = gateway !== undefined && (await answers(context, gateway))
  const undo = new UndoStack()
  if (before) {
    view.forget()
    const was = { netns: [await view.snapshot()] }
    undo.push(async () => {
      await applyGently(context, undoPlan(plan, was).plan, GONE)
      view.forget()
    })
  }
  await fabric.apply(plan)
  view.forget()
  if (!before) return
  await carrierBack(context, network.parentLink, host)
  if (await answers(context, gateway)) return
  const { parentLink: parent, name } = network
  const detail = { parent, gateway: formatIp(gateway), network: name }
  throw await undo.run(new LanyardError('parent-cut-off', detail))
}

/** Waits while the parent has no carrier, for as long as a card needs to find it again. */
async function carrierBack(context: Context, parent: string, host: string): Promise<void> {
  for (let ms = 0; ms < CARRIER_MS; ms += LOOK_EVERY_MS) {
    const [there] = (await context.fabric.snapshot({ netns: [host], parts: [] })).netns
    const link = there?.links.find((one) => one.name === parent)
    if (link === undefined || !link.up || link.carrier) return
    await context.clock.sleep(LOOK_EVERY_MS)
  }
}

/** The host's default gateway, where it is reached by this parent or by what the parent sits on. */
async function gatewayOf(context: Context, network: Network): Promise<Ip | undefined> {
  const { routes, links } = await context.view.snapshot()
  const parent = links.find((link) => link.name === network.parentLink)
  const names = [network.parentLink, parent?.parent?.name, network.parent?.split('.')[0]]
  return routes.find(
    (route) =>
      route.to.length === 0 && route.link !== undefined && names.includes(route.link) && route.via,
  )?.via
}

async function answers(context: Context, gateway: Ip): Promise<boolean> {
  const probe = { protocol: 'icmp', from: context.host, to: gateway } as const
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const [result] = await context.fabric.probe([{ ...probe, timeoutMs: GATEWAY_MS }])
    if (result?.outcome === 'reply') return true
  }
  return false
}
