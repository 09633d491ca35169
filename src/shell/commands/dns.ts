/**
 * `nslookup` and `dig` of bind 9.18 for the names of the lab. Nobody of the lab is a name server:
 * the answers come from the lab itself, as from a resolver at 127.0.0.53, and no frame is sent.
 */
import { formatIp, type Ip, tryParseIp } from '../../addr/ip.ts'
import { type Command, done, failed, type Output, type Session } from '../session.ts'

const SERVER = '127.0.0.53'

const notYet = (tool: string, word: string): Output =>
  failed(127, `lanyard: "${word}" of ${tool} is not part of this shell yet\n`)

async function lookup(session: Session, name: string): Promise<readonly Ip[]> {
  return (await session.machine?.lookup(name.replace(/\.$/, ''))) ?? []
}

export const nslookupCommand: Command = async (session, words) => {
  const wrong = words.find((w) => w.startsWith('-'))
  if (wrong !== undefined) return notYet('nslookup', wrong)
  const [name] = words
  if (name === undefined || words.length > 1) return notYet('nslookup', words.slice(1).join(' '))
  const head = `Server:\t\t${SERVER}\nAddress:\t${SERVER}#53\n\n`
  const ip = tryParseIp(name)
  if (ip !== undefined) {
    const back = reverseName(ip)
    const found = await session.machine?.nameOf(ip)
    if (found === undefined) return failed(1, '', `** server can't find ${back}: NXDOMAIN\n\n`)
    return done(`${back}\tname = ${found}.\n\n`)
  }
  const found = await lookup(session, name)
  if (found.length === 0) return failed(1, '', `${head}** server can't find ${name}: NXDOMAIN\n\n`)
  const rows = found.map((a) => `Name:\t${name}\nAddress: ${formatIp(a)}\n`)
  return done(`${head}Non-authoritative answer:\n${rows.join('')}\n`)
}

export const digCommand: Command = async (session, words) => {
  let short = false
  let type: 'A' | 'AAAA' = 'A'
  let name: string | undefined
  for (const word of words) {
    if (word === '+short') short = true
    else if (/^a$/i.test(word)) type = 'A'
    else if (/^aaaa$/i.test(word)) type = 'AAAA'
    else if (/^[+@-]/.test(word) || name !== undefined) return notYet('dig', word)
    else name = word
  }
  if (name === undefined) return notYet('dig', 'without a name')
  const all = await lookup(session, name)
  const found = all.filter((ip) => (typeof ip === 'bigint') === (type === 'AAAA'))
  if (short) return done(found.map((ip) => `${formatIp(ip)}\n`).join(''))
  return done(message(name.replace(/\.$/, ''), type, found, all.length > 0, words))
}

function message(
  name: string,
  type: string,
  found: readonly Ip[],
  known: boolean,
  words: readonly string[],
): string {
  const status = known ? 'NOERROR' : 'NXDOMAIN'
  const column = `${name}.`.padEnd(8).length > 15 ? `${name}.\t` : `${name}.\t\t`
  const answer =
    found.length === 0
      ? ''
      : `\n;; ANSWER SECTION:\n${found.map((ip) => `${column}\t0\tIN\t${type}\t${formatIp(ip)}\n`).join('')}`
  return (
    `\n; <<>> DiG 9.18 <<>> ${words.join(' ')}\n;; global options: +cmd\n;; Got answer:\n` +
    `;; ->>HEADER<<- opcode: QUERY, status: ${status}, id: 1\n` +
    `;; flags: qr rd ra; QUERY: 1, ANSWER: ${found.length}, AUTHORITY: 0, ADDITIONAL: 0\n\n` +
    `;; QUESTION SECTION:\n;${column}\tIN\t${type}\n${answer}\n;; Query time: 0 msec\n` +
    `;; SERVER: ${SERVER}#53(${SERVER}) (UDP)\n\n`
  )
}

function reverseName(ip: Ip): string {
  if (typeof ip === 'number')
    return `${formatIp(ip).split('.').toReversed().join('.')}.in-addr.arpa`
  const nibbles = ip.toString(16).padStart(32, '0').split('').toReversed()
  return `${nibbles.join('.')}.ip6.arpa`
}
