/** `lanyard doctor` as a user runs it, on machines whose wire behaves in one way or another. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type DoctorJson, doctorSchema } from '../../src/doctor/schema.ts'
import { describeKernel } from '../describe-kernel.ts'
import { inLiveWorld, type LiveWorld, type Told } from '../explain/live-world.ts'
import { buildProgram, removeProgram } from '../support/program.ts'

const ACTIVE = ['doctor', '--active', '--parent', 'eth0', '--json']
/** Not by way of n(): in the background that is a shell around it, whose end it would outlive. */
const DNSMASQ = `
nsenter -t $out -n -- dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --interface=br0 --pid-file= \\
  --dhcp-range=10.9.0.100,10.9.0.120,1h --dhcp-leasefile=FOLDER/leases &
dm=$!
trap 'kill $dm $out 2>/dev/null; wait 2>/dev/null || true' EXIT
until n sh -c 'grep -q :0043 /proc/net/udp'; do sleep 0.05; done
`

const json = (told: Told | undefined): DoctorJson => {
  expect(told?.stderr).toBe('')
  return doctorSchema.parse(JSON.parse(told?.stdout ?? ''))
}
const found = ({ findings }: DoctorJson, code: string) =>
  findings.filter((one) => one.code === code)
const active = async (world: LiveWorld): Promise<{ told: Told | undefined; said: DoctorJson }> => {
  const [told] = await inLiveWorld([ACTIVE], world)
  return { told, said: json(told) }
}

describeKernel('doctor', () => {
  beforeAll(buildProgram)
  afterAll(removeProgram)

  test('doctor --active: a LAN that takes a second MAC, its DHCP server, and nothing left', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lanyard-doctor-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const kept = join(folder, 'left')
    const [told, plain] = await inLiveWorld([ACTIVE, ['doctor']], {
      outside: DNSMASQ,
      inside: `trap 'ip netns list >${kept}; ip -br link >>${kept}' EXIT`,
    })
    const said = json(told)
    expect(found(said, 'second-mac')[0]?.says).toBe(
      'the LAN at eth0 takes a second MAC: 10.9.0.1 answered it',
    )
    expect(found(said, 'dhcp-server')[0]?.says).toMatch(
      /^DHCP server 10\.9\.0\.1 at eth0 offers 10\.9\.0\.1[0-2]\d/,
    )
    expect(said.next).toMatch(
      /^lanyard network create --subnet 10\.9\.0\.0\/24 --gateway 10\.9\.0\.1/,
    )
    expect(readFileSync(kept, 'utf8')).not.toMatch(/lanyard-doctor/)
    expect(plain?.stdout).toMatch(/\nnext: lanyard doctor --active --parent eth0\n$/)
  })

  test('doctor --active: a switch that knows one MAC only', async () => {
    const { told, said } = await active({
      outside: `n bridge fdb replace 02:00:00:00:00:11 dev p0 master static
n bridge link set dev p0 learning off locked on`,
    })
    expect(found(said, 'second-mac-refused')).toHaveLength(1)
    expect(told?.status).toBe(4)
  })

  test('doctor --active: somebody else has our address', async () => {
    const { told, said } = await active({
      outside: 'n ip link add x0 type veth peer name x1; n ip link set x1 master br0 up; '.concat(
        'unshare --net sleep 300 & o2=$!; sleep 0.3; n ip link set x0 netns $o2; ',
        "trap 'kill $o2 $out 2>/dev/null; wait 2>/dev/null || true' EXIT; ",
        'nsenter -t $o2 -n -- ip addr add 10.9.0.18/24 dev x0; nsenter -t $o2 -n -- ip link set x0 up',
      ),
    })
    expect(found(said, 'duplicate-address')[0]?.says).toContain('10.9.0.18')
    expect(told?.status).toBe(4)
  })

  test('doctor: the card is a port of a bridge', async () => {
    const [told, bad] = await inLiveWorld(
      [
        ['doctor', '--json'],
        ['doctor', '--active', '--parent', 'eth9'],
      ],
      {
        inside: `for i in 1 2; do ip -n web$i link del eth0; done
ip link add br9 type bridge; ip link set br9 up; ip link set eth0 master br9`,
      },
    )
    const [port] = found(json(told), 'parent-bridge-port')
    expect(port?.says).toContain('eth0 is a port of bridge br9')
    expect(port?.remedy[0]).toContain('--attach veth -o parent=br9')
    expect(told?.status).toBe(1)
    expect(bad?.status).toBe(2)
    expect(bad?.stderr).toMatch(/^lanyard: there is no link eth9 on this host: there are .*eth0/)
  })
})
