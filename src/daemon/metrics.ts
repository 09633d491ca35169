/** What Prometheus is told at `/metrics`. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Engine, EngineEvent } from '../engine/types.ts'

export interface Metrics {
  /** One answered request. */
  request(method: string, route: string, status: number, seconds: number): void
  event(event: EngineEvent): void
  /** How many things are not as they should be, as last seen. */
  drift(count: number): void
  text(): Promise<string>
  readonly contentType: string
}

/** Seconds; a connect takes a few milliseconds, a probe of the LAN some hundreds. */
const BUCKETS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

/**
 * How often the event loop's delay is looked at. Unless told it is every 10 ms: an idle daemon woke
 * the processor a hundred times a second for it, and took 1 % of it (measured).
 */
const LOOP_MS = 1000

/** A registry of its own: two daemons of one test do not count together. */
export function openMetrics(engine: Engine): Metrics {
  const registers = [new Registry()]
  const [registry] = registers as [Registry]
  const eventLoopMonitoringPrecision = LOOP_MS
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision })
  const requests = new Histogram({
    name: 'lanyard_request_seconds',
    help: 'Time to answer a request',
    labelNames: ['method', 'route', 'status'],
    buckets: BUCKETS,
    registers,
  })
  const events = new Counter({
    name: 'lanyard_events_total',
    help: 'What happened to networks and endpoints',
    labelNames: ['what'],
    registers,
  })
  const drift = new Gauge({
    name: 'lanyard_drift',
    help: 'Things that are not as the store says, as last seen',
    registers,
  })
  countOnScrape(engine, registers)
  return {
    request: (method, route, status, seconds) =>
      requests.observe({ method, route, status: String(status) }, seconds),
    event: ({ what }) => events.inc({ what }),
    drift: (count) => drift.set(count),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  }
}

function countOnScrape(engine: Engine, registers: Registry[]): void {
  const networks = new Gauge({
    name: 'lanyard_networks',
    help: 'Networks by kind',
    labelNames: ['kind'],
    registers,
    async collect() {
      const all = await engine.networks()
      for (const kind of ['macvlan', 'ipvlan']) {
        networks.set({ kind }, all.filter((one) => one.kind === kind).length)
      }
    },
  })
  const endpoints = new Gauge({
    name: 'lanyard_endpoints',
    help: 'Endpoints by network',
    labelNames: ['network'],
    registers,
    async collect() {
      endpoints.reset()
      for (const { network } of await engine.endpoints()) endpoints.inc({ network })
    },
  })
  const leases = new Gauge({
    name: 'lanyard_leases',
    help: 'Addresses by what holds them',
    labelNames: ['kind'],
    registers,
    async collect() {
      leases.reset()
      for (const { kind } of await engine.leases()) leases.inc({ kind })
    },
  })
}
