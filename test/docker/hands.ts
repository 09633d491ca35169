/** What docker tests type again and again, with a world to type it in. */
import { expect } from 'vitest'
import { type DockerWorld, until } from './world.ts'

/** What Docker says of a container's place on a network. */
export interface Place {
  readonly IPAddress: string
  readonly MacAddress: string
  readonly Gateway: string
  readonly IPv6Gateway: string
  readonly GlobalIPv6Address: string
}

export class Hands {
  readonly world: DockerWorld

  constructor(world: DockerWorld) {
    this.world = world
  }

  docker(line: string): string {
    return this.world.docker(line.replaceAll(/ +/g, ' '))
  }

  /** A network of ours, with our addresses. */
  create(words: string): string {
    return this.docker(`network create -d lanyard --ipam-driver lanyard ${words}`)
  }

  /** Runs a container that stays. */
  run(name: string, options: string): string {
    return this.docker(`run -d --name ${name} ${options} bb sleep 100000`)
  }

  /** What a command that must fail says: its first line, the client's own log aside. */
  fails(line: string): string {
    const { status, stderr } = this.world.tryDocker(line)
    expect([line, status === 0]).toEqual([line, false])
    const lines = stderr.trim().split('\n')
    return lines.find((one) => !one.startsWith('time="')) ?? ''
  }

  exec(name: string, command: string): string {
    return this.docker(`exec ${name} ${command}`)
  }

  placeOf(container: string, network: string): Place {
    const all = this.docker(`inspect ${container} --format {{.NetworkSettings.Networks|json}}`)
    const place = (JSON.parse(all) as Record<string, Place>)[network]
    if (place === undefined) throw new Error(`${container} is not on ${network}`)
    return place
  }

  /** Pings until it is answered once; what is on its way may take a moment. */
  async pings(from: string, to: string): Promise<void> {
    await until(() => this.hasPing(from, to), `${from} does not reach ${to}`)
  }

  hasPing(from: string, to: string): boolean {
    return this.world.tryDocker(`exec ${from} ping -c1 -W2 ${to}`).status === 0
  }

  /** Whether the host's own namespace has a link of that name. */
  hasLink(name: string): boolean {
    return this.world.run('ip', 'link', 'show', 'dev', name).status === 0
  }

  /** Every container and network of a test away, and nothing of ours left. */
  clear(): void {
    const all = this.docker('ps -aq').split('\n').filter(Boolean)
    if (all.length > 0) this.docker(`rm -f ${all.join(' ')}`)
    const networks = this.docker('network ls -q --filter type=custom').split('\n').filter(Boolean)
    if (networks.length > 0) this.docker(`network rm ${networks.join(' ')}`)
    expect(this.world.ok('ip', '-br', 'link')).not.toMatch(/^l[yhvd]-/m)
  }
}
