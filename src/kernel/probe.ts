/**
 * Probes from inside any namespaces: thousands at a time over few sockets, driven by the event
 * loop.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Probe, ProbeResult } from '../fabric/fabric.ts'
import { sendArp } from './probe-arp.ts'
import { sendEcho } from './probe-icmp.ts'
import { connectTo } from './probe-port.ts'
import { ProbeRun } from './probe-run.ts'

/** Echo identifiers are 16 bits: at most so many probes are on their way at once. */
const WAVE = 16_384
/** Sent before the answers that wait are taken in. */
const BURST = 64

/**
 * Sends probes and waits for what comes back; results in order. In parallel unless `sequential`,
 * which waits for each outcome before the next is sent (`startMs` counts from there).
 *
 * Outcomes are those of iputils' ping: an ICMP error ends its probe (also one the own kernel made,
 * as for a neighbour that did not answer), a socket call that fails is an errno, and what stays
 * unanswered is a timeout.
 *
 * A crash in the middle leaves nothing behind.
 *
 * @throws LanyardError `netns-missing`, `netns-broken`; SysError (EPERM without CAP_NET_RAW)
 *
 * @example
 * ```ts
 * const [result] = await runProbes([{ protocol: 'icmp', from: 'box1', to: parseIp('10.0.0.2') }])
 * if (result?.outcome === 'reply') console.log(result.rttNs / 1e6)
 * ```
 */
export async function runProbes(
  probes: readonly Probe[],
  options?: { readonly sequential?: boolean },
): Promise<readonly ProbeResult[]> {
  const wave = options?.sequential === true ? 1 : WAVE
  const results: ProbeResult[] = []
  for (let at = 0; at < probes.length; at += wave) {
    results.push(...(await runWave(probes.slice(at, at + wave))))
  }
  return results
}

async function runWave(probes: readonly Probe[]): Promise<readonly ProbeResult[]> {
  if (probes.length === 0) return []
  const run = new ProbeRun(probes.length)
  try {
    const later = new Map<number, number[]>()
    let sent = 0
    for (const [index, probe] of probes.entries()) {
      const startMs = probe.startMs ?? 0
      if (startMs > 0) {
        const group = later.get(startMs)
        if (group === undefined) later.set(startMs, [index])
        else group.push(index)
        continue
      }
      launch(run, index, probe)
      sent++
      if (sent % BURST === 0) await nextTurn()
    }
    for (const [startMs, group] of later) {
      run.after(startMs, () => {
        for (const index of group) {
          const probe = probes[index]
          if (probe !== undefined) launch(run, index, probe)
        }
      })
    }
  } catch (error) {
    run.fail(error)
  }
  return await run.done
}

function launch(run: ProbeRun, index: number, probe: Probe): void {
  run.expire(index, probe)
  if (probe.protocol === 'icmp') sendEcho(run, index, probe)
  else if (probe.protocol === 'arp') sendArp(run, index, probe)
  else connectTo(run, index, probe)
}
