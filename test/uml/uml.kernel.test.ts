/** The second judge boots and has what this machine's own kernel may lack. */
import { expect, test } from 'vitest'
import { runInUml } from '../../src/kernel/uml.ts'
import { nodeInUml, umlMissing } from '../../src/kernel/uml-boot.ts'

const missing = umlMissing()

test.skipIf(missing !== undefined)(
  `runInUml() boots a kernel that has vlan, ipvlan and dummy${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  async () => {
    const told: string[] = []
    const result = await runInUml({
      command: [
        'sh',
        '-ec',
        `ip link add d0 type dummy
         ip link add link d0 name d0.5 type vlan id 5
         ip link add link d0 name i0 type ipvlan mode l2
         ip -br link | cut -d' ' -f1
         ${nodeInUml().join(' ')} -p 'process.getuid()'
         exit 3`,
      ],
      onOutput: (text) => told.push(text),
    })
    expect(result).toMatchObject({ exitCode: 3, output: 'lo\nd0\nd0.5@d0\ni0@d0\n0\n' })
    expect(told.join('')).toBe(result.output)
  },
  600_000,
)

test.skipIf(missing !== undefined)('runInUml() ends a guest that runs out of time', async () => {
  const result = await runInUml({ command: ['sleep', '600'], timeoutMs: 12_000 })
  expect(result.exitCode).toBeUndefined()
})
