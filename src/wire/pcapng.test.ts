import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { encodeFrame } from './codec.ts'
import { makeArp } from './make.ts'
import { interfaceBlock, packetBlock, pcapngOf, sectionBlock } from './pcapng.ts'

const bytes = encodeFrame(makeArp(0xffffffffffff, 2, 1, 2, 0x0a000001, 0, 0x0a000002))

function be32(block: Uint8Array, at: number): number {
  return new DataView(block.buffer, block.byteOffset).getUint32(at)
}

test('every block says its length in front and behind, in multiples of four', () => {
  const blocks = [
    sectionBlock(),
    interfaceBlock({ name: 'ns1/eth0' }),
    interfaceBlock({ name: 'a', description: 'the switch' }),
    packetBlock({ link: 0, timeNs: 0, bytes }),
    packetBlock({ link: 1, timeNs: 1, bytes: bytes.subarray(0, 15), comment: 'why' }),
  ]
  for (const block of blocks) {
    expect(block.length % 4).toBe(0)
    expect([be32(block, 4), be32(block, block.length - 4)]).toEqual([block.length, block.length])
  }
})

test('packetBlock keeps 64 bits of nanoseconds', () => {
  const block = packetBlock({ link: 3, timeNs: 5 * 2 ** 32 + 7, bytes })
  expect([be32(block, 8), be32(block, 12), be32(block, 16)]).toEqual([3, 5, 7])
})

const tshark = spawnSync('tshark', ['--version']).status === 0

test.skipIf(!tshark)(
  'tshark reads back links, times, directions and comments (skipped without tshark)',
  () => {
    const links = [{ name: 'ns1/eth0', description: 'child' }, { name: 'switch/p1' }]
    const packets = [
      { link: 0, timeNs: 1_000_000_001, direction: 'out', bytes },
      { link: 1, timeNs: 1_000_001_002, direction: 'in', comment: 'LINK_DOWN: größer 😀', bytes },
      { link: 1, timeNs: 2_000_000_003, bytes: bytes.subarray(0, 41) },
    ] as const
    const dir = mkdtempSync(join(tmpdir(), 'lanyard-pcapng-'))
    try {
      const file = join(dir, 'lab.pcapng')
      writeFileSync(file, pcapngOf(links, packets))
      const fields = [
        'frame.time_epoch',
        'frame.interface_name',
        'frame.interface_description',
        'frame.packet_flags_direction',
        'frame.comment',
        'frame.len',
      ].flatMap((field) => ['-e', field])
      const out = execFileSync(
        'tshark',
        ['-r', file, '-T', 'fields', '-E', 'separator=|', ...fields],
        {
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
        },
      )
      expect(out.split('\n')).toEqual([
        '1.000000001|ns1/eth0|child|0x00000002||42',
        '1.000001002|switch/p1||0x00000001|LINK_DOWN: größer 😀|42',
        '2.000000003|switch/p1||||41',
        '',
      ])
    } finally {
      rmSync(dir, { recursive: true })
    }
  },
  30_000,
)
