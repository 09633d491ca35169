import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { describeCode, ERROR_CODES, LanyardError } from '../errors.ts'
import { ask, openTestDaemon, type TestDaemon } from '../../test/support/daemon.ts'
import { BODY_LIMIT } from './app.ts'

const SPEC = {
  name: 'mcv',
  kind: 'macvlan',
  macvlanMode: 'bridge',
  parent: 'eth0',
  pools: [{ subnet: '10.0.0.0/24', gateway: '10.0.0.1' }, { subnet: 'fd00::/64' }],
}

let daemon: TestDaemon
beforeEach(async () => {
  daemon = await openTestDaemon()
})
afterEach(() => daemon.close())

const post = (path: string, body: unknown) =>
  ask(daemon.socket, 'POST', path, typeof body === 'string' ? body : JSON.stringify(body))
const get = (path: string) => ask(daemon.socket, 'GET', path)

/** A detail that has whatever a row asks for: a list of one word serves as a word, too. */
function anyDetail(): object {
  const problems = [{ path: 'p', sentence: 's', file: 'f', line: 1n, column: 1 }]
  return new Proxy(
    { problems },
    {
      get: (own, key) => (key === 'problems' ? own.problems : key === 'toJSON' ? undefined : ['x']),
    },
  )
}

describe('makeApp()', () => {
  test('makes a network, answers with text addresses, and again the same', async () => {
    const made = await post('/v1/networks', SPEC)
    expect(made.status).toBe(200)
    expect(made.json).toMatchObject({ name: 'mcv', parentLink: 'eth0', hostAccess: true })
    expect(made.json['pools']).toEqual([
      { subnet: '10.0.0.0/24', gateway: '10.0.0.1', exclude: [] },
      { subnet: 'fd00::/64', exclude: [] },
    ])
    expect((await post('/v1/networks', SPEC)).json).toEqual(made.json)
    expect((await get('/v1/networks')).json).toEqual([made.json])
    expect((await get('/v1/networks/mcv')).json).toEqual(made.json)
  })

  test('connects, finds the holder, tells the next address, and disconnects', async () => {
    await post('/v1/networks', SPEC)
    const box = { endpoint: 'web', sandbox: 'box1', addresses: ['10.0.0.9'] }
    const endpoint = await post('/v1/networks/mcv/endpoints', box)
    expect(endpoint.json).toMatchObject({ name: 'web', mac: '02:00:00:00:00:01' })
    expect(endpoint.json['addresses']).toEqual(['10.0.0.9/24', 'fd00::1/64'])
    const who = await get('/v1/addresses/10.0.0.9')
    expect(who.json).toMatchObject({ lease: { holder: 'web', kind: 'endpoint' } })
    expect((await get('/v1/addresses/10.0.0.99')).json).toEqual({ answeredBy: '52:54:00:00:00:99' })
    expect((await get('/v1/addresses/10.0.0.98')).json).toEqual({ ownLink: 'eth0' })
    expect((await get('/v1/networks/mcv/next')).json).toEqual(['10.0.0.2', 'fd00::2'])
    expect((await get('/v1/endpoints?network=other')).json).toEqual([])
    const gone = await ask(daemon.socket, 'DELETE', '/v1/networks/mcv/endpoints/web')
    expect([gone.status, gone.text]).toEqual([204, ''])
    expect((await get('/v1/endpoints')).json).toEqual([])
  })

  test('reserves an address and gives it back', async () => {
    await post('/v1/networks', SPEC)
    const path = '/v1/networks/mcv/reservations/fd00::5'
    const kept = await ask(daemon.socket, 'PUT', path, '{"name":"printer"}')
    expect(kept.json).toMatchObject({ address: 'fd00::5', holder: 'printer', kind: 'reservation' })
    expect((await get('/v1/leases')).json).toHaveLength(1)
    expect((await ask(daemon.socket, 'DELETE', path)).status).toBe(204)
    expect((await get('/v1/leases?segment=eth0')).json).toEqual([])
  })

  test('a plan comes as ops and as command lines', async () => {
    await post('/v1/networks', SPEC)
    const box = { endpoint: 'web', sandbox: 'box1' }
    const plan = await post('/v1/plans/networks/mcv/endpoint', box)
    expect(plan.json['commands']).toEqual([
      'ip -n box1 addr add 10.0.0.2/24 dev eth0',
      'ip -n box1 addr add fd00::1/64 dev eth0',
    ])
    expect(plan.json['ops']).toMatchObject([
      { do: 'address.add', address: { address: 0x0a000002, length: 24 } },
      { do: 'address.add', address: { address: { ip6: 'fd00::1' }, length: 64 } },
    ])
    expect((await post('/v1/plans/network', SPEC)).json['commands']).toEqual([
      'ip link set dev eth0 up',
    ])
  })

  test.each([
    ['{"name":', 400, 'request-invalid', /^the body is not JSON/],
    [{ ...SPEC, parnet: 'x' }, 400, 'request-invalid', /parnet/],
    [{ ...SPEC, kind: 'vxlan' }, 400, 'request-invalid', /^kind: /],
    [{ ...SPEC, vlan: '50' }, 400, 'request-invalid', /^vlan: /],
    [{ ...SPEC, name: '../x' }, 400, 'request-invalid', /^name: a name is letters/],
    [{ ...SPEC, pools: [{ subnet: '10.0.0.0' }] }, 400, 'address-invalid', /"\/length" is missing/],
  ])('refuses the body %j', async (body, status, code, says) => {
    const reply = await post('/v1/networks', body)
    expect([reply.status, reply.json['code']]).toEqual([status, code])
    expect(reply.json['message']).toMatch(says)
    expect(reply.json['request']).toBe(reply.headers['x-request-id'])
  })

  test('refuses a body that is too large', async () => {
    const reply = await post('/v1/networks', ' '.repeat(BODY_LIMIT + 1))
    expect([reply.status, reply.json['code']]).toEqual([413, 'request-too-large'])
    expect((await post('/v1/networks', SPEC)).status).toBe(200)
  })

  test('refuses unknown paths and parameters by name', async () => {
    const nowhere = await get('/v1/nowhere')
    expect([nowhere.status, nowhere.json['message']]).toEqual([
      404,
      'the daemon knows no GET /v1/nowhere',
    ])
    const odd = await get('/v1/leases?segmnt=x')
    expect(odd.json['message']).toBe('segmnt: is no parameter: known are segment')
  })

  test.each(ERROR_CODES)('%s comes as its status, code and sentence', async (code) => {
    const error = new LanyardError(code, anyDetail() as never)
    daemon.engine.next = error
    const reply = await get('/v1/networks')
    expect(reply.status).toBe(describeCode(code).status)
    expect(reply.json).toMatchObject({ code, message: error.message })
    expect(reply.json['mend']).toEqual(error.mend)
  })

  test('a defect is told with the id of its request, several failures at once', async () => {
    daemon.engine.next = new TypeError('boom')
    const reply = await ask(daemon.socket, 'GET', '/v1/networks', undefined, {
      'x-request-id': 'mine-1',
    })
    expect(reply.status).toBe(500)
    expect(reply.json).toMatchObject({
      code: 'defect',
      message: 'defect in the daemon: boom',
      mend: 'report it with what its log says of request mine-1',
    })
    daemon.engine.next = new AggregateError([
      new LanyardError('netns-missing', { netns: 'a' }),
      new LanyardError('netns-missing', { netns: 'b' }),
    ])
    const both = await get('/v1/networks')
    expect(both.status).toBe(404)
    expect(both.json['message']).toMatch(/"a" does not exist; and .*"b" does not exist/)
  })

  test('/metrics counts requests, networks, endpoints, leases and drift', async () => {
    await post('/v1/networks', SPEC)
    await post('/v1/networks/mcv/endpoints', { endpoint: 'web', sandbox: 'box1' })
    const one = { network: 'mcv', endpoint: undefined, what: 'w', mend: undefined }
    daemon.engine.drifts.push(one)
    expect((await get('/v1/status')).json).toEqual([{ network: 'mcv', what: 'w' }])
    const { text, headers } = await get('/metrics')
    expect(headers['content-type']).toMatch(/^text\/plain/)
    expect(text).toContain('lanyard_networks{kind="macvlan"} 1')
    expect(text).toContain('lanyard_endpoints{network="mcv"} 1')
    expect(text).toContain('lanyard_leases{kind="endpoint"} 2')
    expect(text).toContain('lanyard_drift 1')
    expect(text).toContain('lanyard_events_total{what="connected"} 1')
    expect(text).toMatch(
      /lanyard_request_seconds_count\{method="POST",route="\/v1\/networks",status="200"\} 1/,
    )
    expect((await post('/v1/reconcile', '')).json).toHaveLength(1)
    expect((await get('/metrics')).text).toContain('lanyard_drift 1')
  })

  test('an id of a request that is none is replaced', async () => {
    const headers = { 'x-request-id': 'a b"' }
    const reply = await ask(daemon.socket, 'GET', '/v1/version', undefined, headers)
    expect(reply.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
    expect(reply.json).toEqual({ version: '0.0.0-test', pid: process.pid, state: daemon.state })
  })
})
