/** `iptables` of the lab's shell says what the real one says, line by line. */
import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runCommand } from '../../src/shell/run.ts'
import { openSession } from '../../src/shell/session.ts'
import { openSim } from '../../src/sim/fabric.ts'
import { describeKernel } from '../describe-kernel.ts'

const NETNS = `nfk-sh${process.pid}`

const LINES = `
iptables -V
iptables -X INPUT
iptables -D INPUT 1
iptables -D INPUT -j DROP
iptables -R INPUT 1 -j DROP
iptables -I INPUT 2 -j DROP
iptables -L INPUT
iptables -D INPUT 1
iptables -F INPUT
iptables -D INPUT 1
iptables -X INPUT
iptables -D INPUT 1
iptables -P INPUT DROP
iptables -X INPUT
iptables -X
iptables -D INPUT 1
iptables -P INPUT ACCEPT
iptables -D INPUT 1
iptables -A FORWARD -j ACCEPT
iptables -X FORWARD
iptables -X
iptables -D INPUT 1
iptables -D FORWARD 2
iptables -t nat -D OUTPUT 1
iptables -F
iptables -S
iptables -L -n
iptables -L
iptables -t nat -S
iptables -P FORWARD DROP
iptables -N mine
iptables -N mine
iptables -A INPUT -p icmp --icmp-type echo-request -j mine
iptables -A FORWARD -i a -o b -m state --state RELATED,ESTABLISHED -j ACCEPT
iptables -A FORWARD -i a+ ! -s 10.0.0.0/8 -p tcp --dport 80:90 -m conntrack --ctstate NEW -m comment --comment "hi there" -j REJECT
iptables -A FORWARD -m state ! --state NEW -j DROP
iptables -I FORWARD -d 10.1.2.3 -j REJECT --reject-with icmp-admin-prohibited
iptables -I FORWARD 2 -p udp ! --sport 5 --dport 3
iptables -A FORWARD -p icmp ! --icmp-type 8 -j ACCEPT
iptables -A FORWARD -p icmp --icmp-type 3/1 -j ACCEPT
iptables -A FORWARD -p 99 -j ACCEPT
iptables -A mine -p tcp -j REJECT --reject-with tcp-reset
iptables -A mine -j RETURN
iptables -A mine ! -i lo -s 10.0.0.1 -d 10.0.0.2/255.255.255.0 -j ACCEPT
iptables -A OUTPUT -s 10.0.0.1,10.0.0.2 -j ACCEPT
iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE
iptables -t nat -A POSTROUTING -p udp -j MASQUERADE --to-ports 1000-2000
iptables -t nat -A POSTROUTING -p tcp -s 10.1.0.0/16 -j SNAT --to-source 1.2.3.4:100-200
iptables -t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.2:80
iptables -t nat -A PREROUTING -p tcp --dport 8081 -j DNAT --to 10.0.0.2
iptables -t nat -A PREROUTING -p udp --dport 53 -j REDIRECT --to-ports 5353
iptables -t nat -A OUTPUT -p tcp -j REDIRECT --to-port 99
iptables -S
iptables -L
iptables -L -n
iptables -nvL --line-numbers
iptables -L mine -v -n
iptables -L FORWARD 2 -n
iptables -S FORWARD
iptables -S FORWARD 1
iptables -S mine -v
iptables -t nat -S
iptables -t nat -L -n -v
iptables -t nat -L
ip6tables -A INPUT -p icmpv6 --icmpv6-type echo-request -j DROP
ip6tables -A INPUT -p icmpv6 --icmpv6-type 1/4 -j DROP
ip6tables -A FORWARD -d fd00::/64 -j REJECT --reject-with icmp6-adm-prohibited
ip6tables -A FORWARD -s fd00::1 -j REJECT
ip6tables -t nat -A PREROUTING -p tcp --dport 80 -j DNAT --to-destination [fd00::2]:81
ip6tables -t nat -A POSTROUTING -o a -j MASQUERADE
ip6tables -S
ip6tables -L -n
ip6tables -L -v
ip6tables -t nat -S
ip6tables -t nat -L -n
iptables-save
iptables-save -c -t nat
ip6tables-save
iptables -C FORWARD -p 99 -j ACCEPT
iptables -C FORWARD -p 98 -j ACCEPT
iptables -D FORWARD -p 99 -j ACCEPT
iptables -D FORWARD 1
iptables -R FORWARD 1 -j ACCEPT
iptables -R FORWARD 99 -j ACCEPT
iptables -S FORWARD
iptables -D INPUT -s 1.2.3.4 -j DROP
iptables -D nope -j DROP
iptables -A nope -j DROP
iptables -A nope -j nope2
iptables -A INPUT -j FOO
iptables -A INPUT -j FORWARD
iptables -D INPUT 7
iptables -I INPUT 7 -j DROP
iptables -I INPUT 0 -j DROP
iptables -N INPUT
iptables -X mine
iptables -X nope
iptables -F nope
iptables -P mine DROP
iptables -P nope DROP
iptables -P INPUT FOO
iptables -P INPUT
iptables -A INPUT -j MASQUERADE
iptables -I INPUT -j MASQUERADE
iptables -t nat -A POSTROUTING -j REJECT
iptables -t nat -A POSTROUTING -j DROP
iptables -t nat -A PREROUTING -j MASQUERADE
iptables -t nat -A POSTROUTING -j SNAT
iptables -t nat -A POSTROUTING -j SNAT --to-source foo
iptables -t nat -A PREROUTING -j DNAT --to-destination :80
iptables -t nat -D POSTROUTING -j MASQUERADE -o zz
iptables -A INPUT --dport 80 -j DROP
iptables -A INPUT -o eth0 -j DROP
iptables -A OUTPUT -i eth0 -j DROP
iptables -A INPUT -s 1.2.3.4.5 -j DROP
iptables -A INPUT -s fd00::1 -j DROP
iptables -A INPUT -p foo -j DROP
iptables -A INPUT -p tcp --dport foo -j DROP
iptables -A INPUT -p tcp --dport 90:80 -j DROP
iptables -A INPUT -p tcp --dport 99999 -j DROP
iptables -A INPUT -p icmp --icmp-type foo -j DROP
iptables -A INPUT -p tcp -j REJECT --reject-with foo
iptables -A INPUT -j REJECT --reject-with tcp-reset
iptables -A INPUT -j REJECT --reject-with
iptables -A INPUT -m state --state FOO -j DROP
iptables -A INPUT -m state -j DROP
iptables -A INPUT -m foo -j DROP
iptables -A INPUT -i abcdefghijklmnopq -j DROP
iptables -A INPUT -i
iptables -A INPUT foo
iptables -A INPUT -D INPUT
iptables -A
iptables -Q
iptables
iptables -t foo -L
iptables -L nope
iptables -S nope
iptables -N aVeryLongChainNameWhichIsMoreThan30
iptables -F
iptables -X
iptables -S
`
  .trim()
  .split('\n')

interface Said {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const DATE = /on [A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}$/gm

describeKernel('iptables of the shell and of the machine', () => {
  const real = (line: string): Said => {
    const args = ['netns', 'exec', NETNS, 'sh', '-c', line]
    const { status, stdout, stderr } = spawnSync('ip', args, { encoding: 'utf8' })
    return { code: status, stdout: stdout.replaceAll(DATE, 'on DATE'), stderr }
  }
  beforeAll(() => {
    spawnSync('ip', ['netns', 'add', NETNS])
  })
  afterAll(() => {
    spawnSync('ip', ['netns', 'del', NETNS])
  })

  test('runCommand gives the same code and text for every line', async () => {
    const session = openSession(openSim())
    const differing: unknown[] = []
    for (const line of LINES) {
      const { code, stdout, stderr } = await runCommand(session, line)
      const ours: Said = { code, stdout: stdout.replaceAll(DATE, 'on DATE'), stderr }
      const theirs = real(line)
      if (JSON.stringify(ours) !== JSON.stringify(theirs)) differing.push({ line, ours, theirs })
    }
    expect(differing).toEqual([])
  })
})
