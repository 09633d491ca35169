import { expect, test } from 'vitest'
import { LeftOut } from './left-out.ts'
import { readTranscript } from './transcript.ts'

/** What is left out of a transcript when some lines of it are, for something that is missing. */
function left(text: string, missing: RegExp): string[] {
  const leftOut = new LeftOut()
  return readTranscript(text).flatMap((step) => {
    if (missing.test(step.line)) {
      leftOut.add(step)
      return []
    }
    return leftOut.why(step) === undefined ? [] : [step.line]
  })
}

test('what rests on a line that was left out is left out, and nothing else', () => {
  const text = `
[root@h ~]# vconfig add eth0 5
[root@h ~]# ifconfig eth0.5 up
[root@h ~]# docker network create -d macvlan -o parent=eth0.5 five
[root@h ~]# docker network create -d macvlan -o parent=eth0 plain
[root@h ~]# docker run --net=five --name=a --ip=10.5.0.1 -itd busybox
[root@h ~]# docker run --net=plain --name=b -itd busybox
[root@x ~]# ping 10.5.0.1
[root@x ~]# ifconfig eth0.5 up
[root@h ~]# docker exec -it a sh
/ # ping 10.0.0.1
[root@h ~]# docker exec -it b sh
/ # ping 10.0.0.1
[root@h ~]# docker network ls
plain
five
`
  expect(left(text, /^vconfig/)).toEqual([
    'ifconfig eth0.5 up',
    'docker network create -d macvlan -o parent=eth0.5 five',
    'docker run --net=five --name=a --ip=10.5.0.1 -itd busybox',
    'ping 10.5.0.1',
    'docker exec -it a sh',
    'ping 10.0.0.1',
    'docker network ls',
  ])
})
