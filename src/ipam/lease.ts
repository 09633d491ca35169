/**
 * Handing addresses out. One transaction makes the endpoint's record, its MAC's and one a address,
 * each only if it is absent: two that want the same cannot both have it, whoever they are and on
 * whatever host, and a crash leaves all of it or nothing.
 */
import { addToIp, familyOf, formatIp, type Ip, parseIp } from '../addr/ip.ts'
import { formatMac, isGroupMac, isZeroMac, type Mac, parseMac } from '../addr/mac.ts'
import { formatPrefix } from '../addr/prefix.ts'
import { rangeSize } from '../addr/range.ts'
import { LanyardError } from '../errors.ts'
import type { Condition, Entry, Write } from '../store/store.ts'
import { type Holder, holderText, type Ipam, isoNow, transactSurely } from './ipam.ts'
import { addressKey, endpointKey, hexOfIp, ipOfHex, lastWord, macKey, namePrefix } from './keys.ts'
import { stableMac } from './mac.ts'
import { type Asker, type Candidate, examine, firstFree, hintKey, part } from './pick.ts'
import { unchanged } from './pools.ts'
import { quarantine } from './memory.ts'
import type { StoredLease } from './release.ts'
import { type Pool, rangeOfPool, readSegment, type Segment } from './segment.ts'

export interface LeaseRequest {
  readonly segment: string
  readonly network: string
  /** What the stable MAC is made from; default the network's name. */
  readonly networkId?: string
  /** Sticky: the same name gets the same address and MAC again. */
  readonly endpoint: string
  /** Exactly these; families not named get one by themselves. */
  readonly want?: readonly Ip[]
  /** Nothing besides what is wanted. */
  readonly only?: boolean
  /** Those of `want` that were kept under their own names until now: the lease takes them over. */
  readonly claimed?: readonly Ip[]
  /** Whoever asked named the addresses: nobody without a name is offered them after. */
  readonly pinned?: boolean
  /** `none`: the endpoint bears its parent's (ipvlan). Default: a stable one is made. */
  readonly mac?: Mac | 'none'
  /** Addresses not to be handed out besides what the pools keep out: the host's own. */
  readonly avoid?: (ip: Ip) => boolean
  /**
   * Asks the LAN whether somebody has an address already. What it returns quarantines the
   * address, unless it names the MAC of who had it last; it is thrown when exactly this address
   * was asked for, else another is taken.
   */
  readonly check?: (ip: Ip) => Promise<Error | undefined>
  /**
   * What the asker wants written with the lease, in the same transaction: its own record costs no
   * wait for the disk of its own. Not written when the lease was held already.
   */
  readonly also?: (got: Pick<LeaseResult, 'addresses' | 'mac'>) => readonly Write[]
}

export interface LeaseResult {
  readonly addresses: readonly Ip[]
  readonly mac: Mac | undefined
  /** Names this lease among all the endpoint ever had. */
  readonly revision: number
  /** That it was made now, and `also` written with it. */
  readonly made: boolean
}

/**
 * Gives an endpoint one address of each family its network has, durable before the answer.
 * Repeatable: an endpoint that holds a lease is told what it holds. A crash leaves the lease whole
 * or none of it; the engine gives back what has no endpoint.
 *
 * @throws LanyardError `pool-missing`, `pool-exhausted`, `address-in-use`, `address-not-usable`,
 * `mac-in-use`, `mac-invalid`, `lease-differs`, those of the store, and what `check` returned
 */
export async function lease(ipam: Ipam, request: LeaseRequest): Promise<LeaseResult> {
  checkMac(request)
  const vain = new Set<Ip>()
  for (let salt = 0; ; ) {
    const segment = await segmentFor(ipam, request)
    // Where many ask one server, the transaction itself tells who holds a lease already; but a wish
    // would be refused for what its own endpoint has.
    const known = ipam.host?.mirror !== undefined && request.want === undefined
    const held = known ? undefined : await ipam.store.get(keyOf('end', request))
    if (held !== undefined) return await answer(ipam, held, request)
    const trying = new Set<string>()
    const claim = (ip: Ip): void => {
      const key = addressKey('ip', segment.name, ip)
      if (ipam.trying.has(key)) return
      trying.add(key)
      ipam.trying.add(key)
    }
    try {
      const candidates = await chooseOrAnswer(ipam, request, { segment, vain, claim })
      if ('revision' in candidates) return candidates
      for (const { ip } of candidates) claim(ip)
      const lan = await askLan(ipam, request, candidates, vain)
      if (lan === 'taken') continue
      const outcome =
        lan === 'leased' ? 'try again' : await take(ipam, request, segment, candidates, salt)
      if (typeof outcome === 'object') return outcome
      if (outcome === 'mac taken') salt++
      else {
        await ipam.host?.refused()
        scatter(ipam, request, candidates)
      }
    } finally {
      for (const key of trying) ipam.trying.delete(key)
    }
  }
}

const keyOf = (kind: 'end' | 'was', { segment, network, endpoint }: LeaseRequest): string =>
  endpointKey(kind, segment, network, endpoint)

function checkMac({ mac }: LeaseRequest): void {
  if (typeof mac !== 'number' || !(isGroupMac(mac) || isZeroMac(mac))) return
  const why = isZeroMac(mac) ? 'nobody can bear it' : 'it is a group address'
  throw new LanyardError('address-invalid', { text: formatMac(mac), kind: 'a MAC to bear', why })
}

/** @throws LanyardError `pool-missing` */
async function segmentFor(ipam: Ipam, request: LeaseRequest): Promise<Segment> {
  const seen = await readSegment(ipam, request.segment, ipam.view)
  if (seen.networks.has(request.network)) return seen
  const segment = await readSegment(ipam, request.segment)
  if (segment.networks.has(request.network)) return segment
  throw new LanyardError('pool-missing', { network: request.network, segment: segment.name })
}

/** Before anything is refused, whether the endpoint has what it asks for already. */
async function chooseOrAnswer(
  ipam: Ipam,
  request: LeaseRequest,
  attempt: Attempt,
): Promise<Candidate[] | LeaseResult> {
  try {
    return await choose(ipam, request, attempt)
  } catch (error) {
    const held = await ipam.store.get(keyOf('end', request))
    if (held === undefined) throw error
    return await answer(ipam, held, request)
  }
}

/** Another host was faster: what follows is probably its, too, so the search goes on elsewhere. */
function scatter(
  ipam: Ipam,
  { segment, network }: LeaseRequest,
  tried: readonly Candidate[],
): void {
  ipam.count.retries++
  if (ipam.host === undefined) return
  for (const { pool, exact } of tried)
    if (!exact)
      ipam.next.set(hintKey(segment, network, pool), part(rangeOfPool(pool), ipam.host.random()))
}

/** What the endpoint holds, when that is what is asked for. */
async function answer(ipam: Ipam, entry: Entry, request: LeaseRequest): Promise<LeaseResult> {
  const stored = JSON.parse(entry.value) as StoredLease
  if (stored.host !== ipam.host?.id) {
    const { network, endpoint } = request
    const host = (await ipam.host?.nameOf(stored.host ?? '')) ?? stored.host ?? ''
    throw new LanyardError('lease-elsewhere', { network, endpoint, host })
  }
  const addresses = stored.addresses.map(parseIp)
  const mac = stored.mac === undefined ? undefined : parseMac(stored.mac)
  const { network, endpoint, want = [] } = request
  const differs = (holds: string, wanted: string): LanyardError =>
    new LanyardError('lease-differs', { network, endpoint, holds, wanted })
  if (want.some((ip) => !addresses.includes(ip)))
    throw differs(stored.addresses.join(', '), want.map(formatIp).join(', '))
  if (typeof request.mac === 'number' && mac !== undefined && request.mac !== mac)
    throw differs(formatMac(mac), formatMac(request.mac))
  return { addresses, mac, revision: entry.createRevision, made: false }
}

interface Attempt {
  readonly segment: Segment
  /** What the LAN has answered for. */
  readonly vain: ReadonlySet<Ip>
  /** Marks an address as being tried by this call. */
  readonly claim: (ip: Ip) => void
}

/** One candidate for each address wanted, and for each family of which none is. */
async function choose(
  ipam: Ipam,
  request: LeaseRequest,
  { segment, vain, claim }: Attempt,
): Promise<Candidate[]> {
  const { network, endpoint, want = [], claimed = [], avoid, only = false } = request
  const asker: Asker = {
    segment,
    network,
    endpoint,
    claimed,
    avoid: (ip) => vain.has(ip) || avoid?.(ip) === true,
    claim: (ip, pool) => {
      claim(ip)
      const next = addToIp(ip, 1)
      if (next !== undefined) ipam.next.set(hintKey(segment.name, network, pool), next)
    },
  }
  const askLan = request.check !== undefined
  const chosen: Candidate[] = []
  for (const ip of new Set(want)) {
    const found = await examine(ipam, asker, ip, { exact: true, askLan })
    if (found instanceof LanyardError) throw found
    chosen.push(found)
  }
  const pools = segment.networks.get(network) ?? []
  for (const family of [4, 6] as const) {
    const ours = pools.filter((p) => familyOf(p.subnet.address) === family)
    if (only || ours.length === 0 || want.some((ip) => familyOf(ip) === family)) continue
    chosen.push(
      (await own(ipam, request, asker, family)) ?? (await anyFree(ipam, asker, ours, network)),
    )
  }
  return chosen
}

/** The address kept for the endpoint's name, or the one it had before, when that may still be. */
async function own(
  ipam: Ipam,
  request: LeaseRequest,
  asker: Asker,
  family: 4 | 6,
): Promise<Candidate | undefined> {
  const { segment, network, endpoint } = request
  const kept = await ipam.view.range(namePrefix(segment, network, endpoint))
  const was = await ipam.view.get(keyOf('was', request))
  const reserved = kept.entries.map((e) => ipOfHex(lastWord(e.key)))
  const before =
    was === undefined ? [] : (JSON.parse(was.value) as StoredLease).addresses.map(parseIp)
  for (const ip of [...reserved, ...before]) {
    if (familyOf(ip) !== family || asker.avoid(ip)) continue
    if (ipam.trying.has(addressKey('ip', segment, ip))) continue
    const exact = reserved.includes(ip)
    const askLan = exact && request.check !== undefined
    const found = await examine(ipam, asker, ip, { exact, askLan })
    if (!(found instanceof LanyardError)) return found
  }
  return undefined
}

async function anyFree(
  ipam: Ipam,
  asker: Asker,
  pools: readonly Pool[],
  network: string,
): Promise<Candidate> {
  for (const pool of pools) {
    const found = await firstFree(ipam, asker, pool)
    if (found !== undefined) return found
  }
  const size = pools.reduce((sum, pool) => sum + rangeSize(rangeOfPool(pool)), 0n)
  const text = pools.map((p) => formatPrefix(p.subnet)).join(', ')
  throw new LanyardError('pool-exhausted', { network, pools: text, size: `${size}` })
}

/**
 * @returns `taken` when somebody on the LAN has one of them, which is left alone from now on;
 * `leased` when who answers has a lease that was not seen yet, and is no stranger
 */
async function askLan(
  ipam: Ipam,
  { check, segment, network, endpoint }: LeaseRequest,
  candidates: readonly Candidate[],
  vain: Set<Ip>,
): Promise<'free' | 'taken' | 'leased'> {
  if (check === undefined) return 'free'
  const answers = await Promise.all(
    candidates.map(async (candidate) => ({ candidate, conflict: await check(candidate.ip) })),
  )
  const conflicts = answers.filter((a) => a.conflict !== undefined)
  for (const { candidate } of conflicts)
    if ((await ipam.store.get(addressKey('ip', segment, candidate.ip))) !== undefined)
      return 'leased'
  for (const { candidate, conflict } of conflicts) {
    vain.add(candidate.ip)
    const address = candidate.ip
    if (conflict !== undefined)
      await quarantine(ipam, { segment, network, endpoint, address, conflict })
  }
  const fatal = conflicts.find((a) => a.candidate.exact)?.conflict
  if (fatal !== undefined) throw fatal
  return conflicts.length === 0 ? 'free' : 'taken'
}

type Outcome = LeaseResult | 'mac taken' | 'try again'

/** The one transaction. */
async function take(
  ipam: Ipam,
  request: LeaseRequest,
  segment: Segment,
  candidates: readonly Candidate[],
  salt: number,
): Promise<Outcome> {
  const { network, endpoint } = request
  const mac = await macFor(ipam, request, salt)
  const endKey = keyOf('end', request)
  const when: Condition[] = [
    unchanged(segment),
    { key: endKey, is: 'absent' },
    ...(ipam.host?.guards() ?? []),
  ]
  const host = ipam.host === undefined ? {} : { host: ipam.host.id }
  const stored: StoredLease = {
    addresses: candidates.map((c) => formatIp(c.ip)),
    ...(mac === undefined ? {} : { mac: formatMac(mac) }),
    at: isoNow(ipam),
    ...host,
    ...(request.pinned === true ? { pinned: true } : {}),
  }
  const then: Write[] = [{ put: endKey, value: JSON.stringify(stored) }]
  const was = await ipam.view.get(keyOf('was', request))
  if (was !== undefined) then.push({ delete: was.key })
  const holder = JSON.stringify({ network, endpoint, mac: stored.mac, at: stored.at, ...host })
  const bearer = mac === undefined ? undefined : macKey(segment.name, mac)
  if (bearer !== undefined) {
    when.push({ key: bearer, is: 'absent' })
    then.push({ put: bearer, value: holder })
  }
  for (const candidate of candidates) {
    const one = placing(request, segment.name, candidate)
    when.push(...one.when)
    then.push({ put: addressKey('ip', segment.name, candidate.ip), value: holder }, ...one.then)
    const hint = hintKey(segment.name, network, candidate.pool)
    const next = ipam.next.get(hint)
    const known = then.some((w) => 'put' in w && w.put === hint)
    if (next !== undefined && !known && ipam.host === undefined)
      then.push({ put: hint, value: hexOfIp(next) })
  }
  const addresses = candidates.map((c) => c.ip)
  then.push(...(request.also?.({ addresses, mac }) ?? []))
  const otherwise = bearer === undefined ? [endKey] : [endKey, bearer]
  const asked = transactSurely(ipam, { when, then, otherwise })
  const { done, revision, found } = await asked.catch(async (error: unknown) => {
    // A store without room can still say what is held.
    const full = error instanceof LanyardError && error.code === 'store-full'
    const held = full ? await ipam.store.get(endKey) : undefined
    if (held === undefined) throw error
    return { done: false, revision: held.modRevision, found: [held] }
  })
  if (done) return { addresses, mac, revision, made: true }
  const [mine, other] = found
  // Ours, when the answer to the first asking was lost; or the same was asked twice at once.
  if (mine !== undefined) return await answer(ipam, mine, request)
  if (other === undefined || mac === undefined) return 'try again'
  if (typeof request.mac !== 'number') return 'mac taken'
  const by = JSON.parse(other.value) as Holder
  throw new LanyardError('mac-in-use', {
    mac: formatMac(mac),
    segment: segment.name,
    holder: await holderText(ipam, by),
    network: by.network,
  })
}

/** What must hold of an address that is taken, and what is kept of it no longer. */
function placing(
  { network, claimed = [] }: LeaseRequest,
  segment: string,
  { ip, reserved, resting }: Candidate,
): { readonly when: readonly Condition[]; readonly then: readonly Write[] } {
  const [ipKey, rsvKey, coolKey] = (['ip', 'rsv', 'cool'] as const).map((kind) =>
    addressKey(kind, segment, ip),
  ) as [string, string, string]
  const then: Write[] = resting === undefined ? [] : [{ delete: coolKey }]
  if (reserved !== undefined && claimed.includes(ip)) {
    const byName = namePrefix(segment, network, formatIp(ip)) + hexOfIp(ip)
    then.push({ delete: rsvKey }, { delete: byName })
  }
  return { when: [{ key: ipKey, is: 'absent' }, as(rsvKey, reserved), as(coolKey, resting)], then }
}

const as = (key: string, entry: Entry | undefined): Condition =>
  entry === undefined ? { key, is: 'absent' } : { key, modRevision: entry.modRevision }

/** The MAC asked for, the one the endpoint had, or the one its name makes. */
async function macFor(ipam: Ipam, request: LeaseRequest, salt: number): Promise<Mac | undefined> {
  if (request.mac === 'none') return undefined
  if (request.mac !== undefined) return request.mac
  const was = salt > 0 ? undefined : await ipam.view.get(keyOf('was', request))
  const before = was === undefined ? undefined : (JSON.parse(was.value) as StoredLease).mac
  if (before !== undefined) return parseMac(before)
  return stableMac(request.networkId ?? request.network, request.endpoint, salt)
}
