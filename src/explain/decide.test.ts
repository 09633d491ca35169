import { expect, test } from 'vitest'
import type { StepAction } from '../fabric/trace.ts'
import type { ReasonCode } from '../fabric/reason.ts'
import type { RawStep } from '../sim/trace-ring.ts'
import { ETH_ARP, type Frame, NO_TAGS } from '../wire/frame.ts'
import { decidingStep } from './decide.ts'

const A = 1
const B = 2
const SWITCH = 9

/** An ARP frame: request 1 from A's address to B's, answer 2 back. */
function arp(operation: 1 | 2): Frame {
  const [senderIp, targetIp] = operation === 1 ? [10, 20] : [20, 10]
  const packet = { kind: 'arp', operation, senderMac: 1, senderIp, targetMac: 0, targetIp } as const
  return { dst: 0, src: 0, tags: NO_TAGS, etherType: ETH_ARP, packet, length: 46 }
}

const step = (netns: number, action: StepAction, frame: Frame, reason?: ReasonCode): RawStep => ({
  timeNs: 0,
  netns,
  device: netns * 10,
  action,
  to: -1,
  reason,
  frame,
})
/** Devices are numbered by their namespace. */
const concerns = (device: number, netns: number) => device === netns * 10
const path = { from: A, to: B, concerns }

test('decidingStep prefers the end at the node asked over ends elsewhere', () => {
  const steps = [
    step(A, 'tx', arp(1)),
    step(SWITCH, 'drop', arp(1), 'BRIDGE_NO_HAIRPIN'),
    step(B, 'drop', arp(1), 'LINK_DOWN'),
    step(3, 'drop', arp(1), 'OTHERHOST'),
  ]
  expect(decidingStep(steps, path)?.reason).toBe('LINK_DOWN')
})

test('decidingStep counts an end at the switch port that leads to the node asked', () => {
  const steps = [
    step(4, 'drop', arp(1), 'MTU_EXCEEDED'),
    step(SWITCH, 'drop', arp(1), 'BRIDGE_NO_HAIRPIN'),
    step(3, 'drop', arp(1), 'LINK_DOWN'),
  ]
  const near = { ...path, concerns: (device: number) => device === SWITCH * 10 }
  expect(decidingStep(steps, near)?.reason).toBe('BRIDGE_NO_HAIRPIN')
})

test('decidingStep looks at the answer once there is one, on its way to the node that asked', () => {
  const steps = [
    step(B, 'drop', arp(1), 'LINK_DOWN'),
    step(B, 'tx', arp(2)),
    step(A, 'drop', arp(2), 'OTHERHOST'),
  ]
  expect(decidingStep(steps, path)).toMatchObject({ netns: A, reason: 'OTHERHOST' })
})

test('decidingStep does not take waiting for a neighbour as progress', () => {
  const echo: Frame = { ...arp(1), packet: { kind: 'raw', bytes: new Uint8Array() } }
  const steps = [step(A, 'queue', echo), step(SWITCH, 'drop', arp(1), 'PEER_DOWN')]
  expect(decidingStep(steps, path)?.reason).toBe('PEER_DOWN')
})

test('decidingStep is silent when nothing ended', () => {
  expect(decidingStep([step(A, 'tx', arp(1))], path)).toBeUndefined()
})
