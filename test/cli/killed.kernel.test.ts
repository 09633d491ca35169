/**
 * kill -9 of a real daemon at every numbered step of connect and disconnect, while others are
 * served, too; and the daemon that comes after it: store, kernel and answers agree, nothing is left
 * over, no address is held twice. The steps of the other doors: test/engine/crash.ts.
 */
import type { ChildProcess } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { describeKernel } from '../describe-kernel.ts'
import { CARD, HostLan, ip } from '../support/host-lan.ts'
import { buildProgramAnd, removeProgram } from '../support/program.ts'

const NETWORK = {
  name: 'mcv',
  kind: 'macvlan',
  parent: CARD,
  pools: [{ subnet: '192.168.8.0/24', gateway: '192.168.8.1' }],
  check: 'never',
}
const ENDPOINTS = '/v1/networks/mcv/endpoints'
/** Those that come and go while the one in question does. */
const OTHERS = ['o1', 'o2', 'o3']

interface Endpoint {
  readonly name: string
  readonly sandbox: string
  readonly link: string
  readonly addresses: readonly string[]
}

let lan: HostLan

const list = async <T>(path: string): Promise<T[]> =>
  (await lan.ask('GET', path)).json as unknown as T[]

const connect = (box: string) => lan.ask('POST', ENDPOINTS, { endpoint: box, sandbox: lan.ns(box) })

const disconnect = (box: string) => lan.ask('DELETE', `${ENDPOINTS}/${box}`)

/** From the state folder the daemon reads where it is to end. */
const order = (): string => join(lan.folder, 'state', 'kill-at')

/** Store, kernel and answers say the same. */
async function agree(boxes: readonly string[]): Promise<readonly Endpoint[]> {
  expect(await list('/v1/status')).toEqual([])
  const endpoints = await list<Endpoint>('/v1/endpoints')
  const wanted = endpoints.flatMap(({ addresses }) => addresses.map((a) => a.split('/')[0] ?? ''))
  expect(new Set(wanted).size).toBe(wanted.length)
  const leases = await list<{ address: string; kind: string }>('/v1/leases')
  const held = leases.filter(({ kind }) => kind === 'endpoint').map(({ address }) => address)
  expect(held.toSorted()).toEqual(wanted.toSorted())
  for (const box of boxes) {
    const mine = endpoints.filter(({ sandbox }) => sandbox === lan.ns(box))
    expect([box, ...lan.links(box)]).toEqual([box, ...mine.map(({ link }) => link)])
    const inside = mine.flatMap((one) => one.addresses.map((a) => `${one.link} ${a.split('/')[0]}`))
    expect(lan.addresses(box)).toEqual(inside)
    const ways = ip(`-n ${lan.ns(box)} route show default`)
    expect([box, ways !== '']).toEqual([box, mine.length > 0])
  }
  const host = ip(`-n ${lan.ns('host')} route`)
  const routed = host.split('\n').filter((line) => line.includes('ly-') && !line.includes('/'))
  expect(routed.map((line) => line.split(' ')[0] ?? '').toSorted()).toEqual(wanted.toSorted())
  return endpoints
}

const open = (): Promise<ChildProcess> => lan.startDaemon({}, 'doomed')

/**
 * The daemon ends itself at a step; whoever asked meanwhile gets what he gets.
 *
 * @returns the daemon that comes after it
 */
async function killAt(
  daemon: ChildProcess,
  step: string,
  work: () => readonly Promise<unknown>[],
): Promise<ChildProcess> {
  writeFileSync(order(), step)
  const asked = work().map((one) => one.catch(() => undefined))
  await lan.ended(daemon)
  expect([step, daemon.signalCode]).toEqual([step, 'SIGKILL'])
  await Promise.all(asked)
  rmSync(order())
  return await open()
}

const STEPS = {
  connect: ['1-record', '2-link', '3-answer'],
  disconnect: ['1-found', '2-record', '3-routes', '4-link', '5-answer'],
} as const

describeKernel('the daemon killed at every step', () => {
  beforeAll(() => buildProgramAnd({ doomed: 'test/support/doomed-daemon.ts' }))
  afterAll(removeProgram)
  beforeEach(() => {
    lan = new HostLan('kill')
  })
  afterEach(() => lan.close())

  test('of connect and disconnect, among others that come and go', async () => {
    const boxes = ['a', ...OTHERS]
    lan.boxes(...boxes)
    let daemon = await open()
    expect((await lan.ask('POST', '/v1/networks', NETWORK)).status).toBe(200)
    const first = (await connect('a')).json as unknown as Endpoint
    for (const door of ['connect', 'disconnect'] as const)
      for (const step of STEPS[door]) {
        const answer = door === 'connect' ? await disconnect('a') : await connect('a')
        expect(answer.status).toBeLessThan(300)
        daemon = await killAt(daemon, `${door}:${step}`, () => [
          ...OTHERS.map(connect),
          door === 'connect' ? connect('a') : disconnect('a'),
          ...OTHERS.map(disconnect),
        ])
        await agree(boxes)
        // Asked again it is done, and the address stays with the name.
        const again = (await connect('a')).json as unknown as Endpoint
        expect([step, again.addresses]).toEqual([step, first.addresses])
        await agree(boxes)
      }
    for (const box of boxes) expect((await disconnect(box)).status).toBe(204)
    expect(await agree(boxes)).toEqual([])
    expect((await lan.ask('DELETE', '/v1/networks/mcv')).status).toBe(204)
    expect(lan.links('host')).toEqual([CARD])
  })
})
