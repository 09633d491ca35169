/**
 * kill -9 of daemon and dockerd at random points of create, run, connect and rm: nothing leaks, no
 * address is given twice, and `docker network rm` always works in the end. What is drawn follows
 * from a seed: `CYCLES=200 SEED=7 npx vitest run --project docker test/docker/crash`.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeDocker } from '../describe-docker.ts'
import { buildProgram, removeProgram } from '../support/program.ts'
import { DockerWorld, until } from './world.ts'

const CYCLES = Number(process.env['CYCLES'] ?? 12)
const SEED = Number(process.env['SEED'] ?? 1)
const CREATE =
  'network create -d lanyard --ipam-driver lanyard --subnet 192.168.8.0/24 --gateway 192.168.8.1 -o parent=eth0 -o check=never'
/** A cycle restarts one of the two, and Docker waits a quarter of a minute for a plugin. */
const TIMEOUT_MS = 120_000 + CYCLES * 60_000

/** Numbers below `limit`, the same for the same seed. */
function draw(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * limit)
  }
}

describeDocker('docker on lanyard, killed at random', () => {
  const world = new DockerWorld()
  beforeAll(async () => {
    await buildProgram()
    await world.open()
    await world.startLanyard()
    await world.startDockerd({ liveRestore: true })
    world.importImage()
  })
  afterAll(async () => {
    await world.close()
    removeProgram()
  })

  test(`${CYCLES} cycles, seed ${SEED}`, { timeout: TIMEOUT_MS }, async () => {
    const pick = draw(SEED)
    const lines = (line: string): string[] => {
      const { stdout } = world.tryDocker(line)
      return stdout.trim().split('\n').filter(Boolean)
    }
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      const network = `n${pick(2)}`
      const work = [
        () => world.dockerAsync(`${CREATE} ${network}`),
        () => world.dockerAsync(`run -d --network ${network} bb sleep 10000`),
        () => world.dockerAsync(`run -d --network ${network} bb sleep 10000`),
        () => world.dockerAsync(`rm -f ${lines('ps -aq')[0] ?? 'none'}`),
        () => world.dockerAsync(`network rm ${network}`),
      ] as const
      // The first cycles have something to work on.
      const chosen = cycle < 2 ? cycle : pick(work.length)
      const under = work[chosen]?.()
      const victim = pick(3)
      await new Promise((resolve) => setTimeout(resolve, pick(400)))
      if (victim === 0) {
        await world.stopDockerd('SIGKILL')
        await world.startDockerd({ liveRestore: true })
      } else {
        await world.stopLanyard('SIGKILL')
        await world.startLanyard()
      }
      await under
      const running = lines('ps -q')
      const addresses = running.flatMap((id) =>
        lines(`inspect ${id} --format {{range.NetworkSettings.Networks}}{{.IPAddress}}{{end}}`),
      )
      expect([cycle, new Set(addresses).size]).toEqual([cycle, addresses.length])
    }
    await world.startIfDead()
    await until(() => {
      const all = lines('ps -aq')
      if (all.length > 0) world.tryDocker(`rm -f ${all.join(' ')}`)
      return lines('ps -aq').length === 0
    }, 'a container stays')
    await until(() => {
      const all = lines('network ls -q --filter driver=lanyard')
      if (all.length > 0) world.tryDocker(`network rm ${all.join(' ')}`)
      return lines('network ls -q --filter driver=lanyard').length === 0
    }, 'docker network rm does not work')
    const left = () => {
      const leases = JSON.parse(world.lanyard('ip ls --json').stdout || '[]') as {
        kind: string
      }[]
      return {
        links: world.ok('ip', '-br', 'link').match(/^l[yhvd]-\S+/gm) ?? [],
        routes: world.ok('ip', 'route').match(/^.*dev ly-.*$/gm) ?? [],
        leases: leases.filter(({ kind }) => kind === 'endpoint'),
        status: world.lanyard('status').stdout.includes('no networks yet'),
      }
    }
    const nothing = { links: [], routes: [], leases: [], status: true }
    await until(() => JSON.stringify(left()) === JSON.stringify(nothing)).catch(() => undefined)
    expect(left()).toEqual(nothing)
  })
})
