/** After an endpoint came: the LAN is told, and the host's way to it is tried. Nobody waits. */
import { formatMac } from '../addr/mac.ts'
import { type Context, lanLink } from './context.ts'
import { verifyHostAccess } from './host-access.ts'
import { isRouted } from '../driver/network.ts'
import { findEndpoint } from './records.ts'
import type { Endpoint, Network } from './types.ts'

/** Announces endpoints and verifies host access, in the background. */
export function introduce(
  context: Context,
  network: Network,
  endpoints: readonly Endpoint[],
): void {
  if (!isRouted(network)) {
    for (const endpoint of endpoints)
      context.background.start(() => announce(context, network, endpoint))
  }
  context.background.start(async () => {
    for (const endpoint of endpoints) await verify(context, network, endpoint)
  })
}

async function announce(context: Context, network: Network, endpoint: Endpoint): Promise<void> {
  const link = await lanLink(context, network)
  if (link === undefined) return
  const addresses = endpoint.addresses.map((a) => a.address)
  const still = () => isHere(context, endpoint)
  await context.lan.announce(link, endpoint.mac, addresses, still)
}

/** Whether it is where it was: it may have left meanwhile, or come again elsewhere. */
async function isHere(context: Context, endpoint: Endpoint): Promise<boolean> {
  const now = await findEndpoint(context.store, endpoint.network, endpoint.name)
  return now?.phase === 'here' && now.sandbox === endpoint.sandbox
}

async function verify(context: Context, network: Network, endpoint: Endpoint): Promise<void> {
  const wrong = await verifyHostAccess(context, network, endpoint)
  if (wrong === undefined || !(await isHere(context, endpoint))) return
  const detail = `${wrong} (MAC ${formatMac(endpoint.mac)})`
  context.emit({ what: 'drift', network: network.name, endpoint: endpoint.name, detail })
}
