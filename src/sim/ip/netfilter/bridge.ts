/** br_netfilter: the packet filter of a bridge's namespace (net/bridge/br_netfilter_hooks.c). */
import type { Frame } from '../../../wire/frame.ts'
import { makeFrame } from '../../../wire/make.ts'
import type { Device, World } from '../../model.ts'
import { hookBridge } from '../hooks.ts'
import { netnsIp } from '../state.ts'

/** What becomes of a frame on its way from one port of a bridge to another. */
export function bridgeForward(world: World, bridge: Device, frame: Frame): Frame | undefined {
  const ns = netnsIp(bridge.netns)
  const nf = ns.netfilter
  const { packet } = frame
  if (nf === undefined || (packet.kind !== 'ip4' && packet.kind !== 'ip6')) return frame
  const { conf } = ns
  const on =
    packet.kind === 'ip4'
      ? conf['bridge.bridge-nf-call-iptables']
      : conf['bridge.bridge-nf-call-ip6tables']
  if (on === 0) return frame
  const passed = hookBridge(world, ns, nf, bridge, packet)
  if (passed === undefined || passed === packet) return passed && frame
  return makeFrame(frame.dst, frame.src, frame.etherType, passed, passed.length, frame.tags)
}
