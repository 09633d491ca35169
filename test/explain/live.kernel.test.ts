/** `lanyard explain --live` as a user runs it, on a machine whose wire nobody can look into. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { explainSchema } from '../../src/lab/explain-schema.ts'
import { describeKernel } from '../describe-kernel.ts'
import { buildProgram, removeProgram } from '../support/program.ts'
import { inLiveWorld } from './live-world.ts'

const json = (text: string) => explainSchema.parse(JSON.parse(text))

describeKernel('explain --live', () => {
  beforeAll(buildProgram)
  afterAll(removeProgram)

  test('explain --live: cause, assumed switch, a real ping beside it', async () => {
    const asked = (...words: string[]) => ['explain', ...words, '--live', '--json']
    const [host, back, siblings, gateway, nobody, far, port, matrix] = await inLiveWorld([
      asked('host', 'web1'),
      asked('web1', '10.9.0.18'),
      asked('web1.eth0', 'web2'),
      asked('web1', '10.9.0.1'),
      asked('host', '10.9.0.77'),
      asked('web1', '192.0.2.9'),
      asked('web1', 'web2', '--proto', 'tcp/80'),
      ['matrix', '--live'],
    ])
    expect(host?.stderr).toBe('')
    expect(json(host?.stdout ?? '')).toMatchObject({
      cause: 'MACVLAN_HOST_TO_CHILD',
      headline: 'host cannot reach web1 10.9.0.101, its own macvlan child',
      live: { real: 'got no answer', agrees: true, replay: null },
    })
    expect(host?.status).toBe(1)
    const { origins, remedies, live } = json(host?.stdout ?? '')
    expect(origins.map((o) => o.text)).toContain(
      'ip link add link eth0 name eth0 netns web1 address 02:00:00:00:00:a1 type macvlan mode bridge'.replace(
        ' address 02:00:00:00:00:a1',
        '',
      ),
    )
    expect(live?.assumptions[0]).toContain('the switch at eth0 does not send frames back')
    expect(remedies.flatMap((r) => r.commands)).toContain(
      '(on the switch) bridge link set dev eth0 hairpin on',
    )
    expect(json(back?.stdout ?? '')).toMatchObject({ cause: 'MACVLAN_CHILD_TO_HOST', to: 'host' })
    expect(json(siblings?.stdout ?? '')).toMatchObject({ verdict: 'ok', live: { agrees: true } })
    expect(siblings?.status).toBe(0)
    expect(json(gateway?.stdout ?? '')).toMatchObject({ verdict: 'ok', live: { agrees: true } })
    expect(json(nobody?.stdout ?? '')).toMatchObject({
      cause: 'NOBODY_HAS_ADDRESS',
      live: { agrees: true },
    })
    expect(json(far?.stdout ?? '').live).toMatchObject({ agrees: true })
    expect(json(port?.stdout ?? '')).toMatchObject({ code: 'PORT_CLOSED', live: { agrees: true } })
    expect(matrix?.stdout).toContain('web1, web2: macvlan bridge on host:eth0, 10.9.0.0/24')
  })

  test('explain --live: where the switch does otherwise it says so and keeps the case', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lanyard-live-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const kept = join(folder, 'case.json')
    const [plain, told, replayed] = await inLiveWorld(
      [
        ['explain', 'host', 'web1', '--live', '--save', kept],
        ['explain', 'host', 'web1', '--live', '--assume', 'hairpin', '--json'],
        ['explain', '--replay', kept],
      ],
      { hairpin: 'on' },
    )
    expect(plain?.stdout).toContain('an assumption does not hold here')
    expect(plain?.stdout).toContain('it fits with --assume hairpin')
    expect(plain?.status).toBe(1)
    expect(json(told?.stdout ?? '')).toMatchObject({ verdict: 'ok', live: { agrees: true } })
    expect(replayed?.stdout).toContain('cannot reach web1 10.9.0.101')
    expect(replayed?.stdout).toContain('then, a real ping')
    expect(JSON.parse(readFileSync(kept, 'utf8'))).toMatchObject({ format: 'lanyard-replay' })
  })

  test('explain --live --fix: done, tried on the wire; taken back when it does not help', async () => {
    const fix = ['explain', 'host', 'web1', '--live', '--fix']
    const [asked, elsewhere, done, after] = await inLiveWorld([
      [...fix, '2'],
      [...fix, '1', '--yes'],
      [...fix, '2', '--yes'],
      ['explain', 'host', 'web1', '--live', '--json'],
    ])
    expect(asked).toMatchObject({ status: 2 })
    expect(asked?.stderr).toContain('say --yes to do it')
    expect(elsewhere?.stderr).toContain("is not this machine's to do")
    expect(done?.stdout).toMatch(/verified: ping ok: it was answered in [\d.]+ ms, ttl 64\n$/)
    expect(done?.status).toBe(0)
    expect(json(after?.stdout ?? '')).toMatchObject({ verdict: 'ok', live: { agrees: true } })
    // An IPsec policy, which the simulator does not know, stops it on the real wire all the same.
    const [failed] = await inLiveWorld([[...fix, '2', '--yes']], {
      inside: 'ip -n web1 xfrm policy add dir out src 0.0.0.0/0 dst 10.9.0.18/32 action block\n',
    })
    expect(failed?.stdout).toContain('taken back: on the real wire it got no answer')
    expect(failed?.status).toBe(1)
  })

  test('explain --live: bad input is one sentence', async () => {
    const ask = (...words: string[]) => ['explain', ...words, '--live']
    const told = await inLiveWorld(
      [
        ask('host', 'wep1'),
        ask('host', 'web1.eth1'),
        ask('host', 'idle'),
        ask('host', 'asleep'),
        ask('10.9.0.99', 'web1'),
        ask('web1', '10.9.0.18', '--assume', 'no'),
        ['explain', '--replay', '/etc/hostname'],
      ],
      {
        inside:
          'ip netns add idle; ip netns add asleep; ip link add v0 type veth peer name eth0 netns asleep',
      },
    )
    const said = told.map(({ stderr }) => stderr.split('\n')[0])
    expect(said).toEqual([
      'lanyard: there is no end "wep1" (did you mean "web1"?) here: there are host, asleep, idle, web1 and web2',
      'lanyard: web1 has no link "eth1" (did you mean "eth0"?): it has lo and eth0',
      'lanyard: idle has no link but lo: it is on no network',
      'lanyard: asleep is not up: eth0 is down',
      expect.stringContaining('10.9.0.99 is no address of this machine'),
      expect.stringContaining('It is hairpin, host=ADDRESS'),
      expect.stringContaining('it is no JSON'),
    ])
    for (const { status } of told) expect(status).toBe(2)
  })

  test('explain parent: who has a link, who is on it, what may be put on it', async () => {
    const ask = (...words: string[]) => ['explain', 'parent', ...words]
    const [free, mistyped, loopback, port, program] = await inLiveWorld(
      [ask('eth0'), ask('eht0'), ask('lo'), ask('d0'), ask('d0', '--json')],
      {
        inside:
          'ip link add d0 type veth peer name d1; ip link add br1 type bridge; ip link set d0 master br1',
      },
    )
    expect(free?.stdout).toContain('eth0 carries macvlan: eth0 of web1, eth0 of web2')
    expect(free?.stdout).toContain('lanyard network create -o parent=eth0')
    expect(mistyped).toMatchObject({ status: 2, stdout: '' })
    expect(mistyped?.stderr).toContain('there is no link eht0 on this host (did you mean "eth0"?)')
    expect(loopback).toMatchObject({ status: 1 })
    expect(loopback?.stdout).toContain('lo is the loopback')
    expect(port).toMatchObject({ status: 1, stderr: '' })
    expect(port?.stdout).toContain('lanyard network create -o attach=veth -o parent=br1')
    expect(JSON.parse(program?.stdout ?? '')).toMatchObject({ link: 'd0' })
  })
})
