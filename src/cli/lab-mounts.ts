/** The mount namespaces of a lab on this kernel: one a node, each in a file. */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { LanyardError } from '../errors.ts'
import { SysError } from '../sys/errno.ts'
import {
  bindMount,
  bindNewMounts,
  detachMounts,
  keepMountsHere,
  mountSysfs,
} from '../sys/mount-namespace.ts'
import { closeNamespace, inNamespace, openNamespace } from '../sys/namespace.ts'
import { LIVE_FOLDER, nodeNetns } from './lab-enter.ts'

/**
 * A crash in the middle leaves some of them, for {@link removeMounts}.
 *
 * @param goOn called before each node; throws when it shall not go on
 * @throws LanyardError `tool-failed`
 */
export async function makeMounts(
  lab: string,
  nodes: readonly string[],
  goOn: () => void,
): Promise<void> {
  const folder = join(LIVE_FOLDER, lab)
  mkdirSync(folder, { recursive: true })
  try {
    // A mount namespace can be bound only where mounts do not spread.
    keepMountsHere(folder)
    mkdirSync('/run/netns', { recursive: true })
    for (const node of nodes) {
      // So that Ctrl-C is heard.
      await setImmediate()
      goOn()
      makeNodeMounts(lab, node, folder)
    }
  } catch (error) {
    if (!(error instanceof SysError)) throw error
    const detail = { command: `mount namespaces of lab ${lab}`, why: error.message }
    throw new LanyardError('tool-failed', detail, { cause: error })
  }
}

function makeNodeMounts(lab: string, node: string, folder: string): void {
  const own = join(folder, `${node}.netns`)
  const file = join(folder, `${node}.mnt`)
  mkdirSync(own)
  writeFileSync(file, '')
  const netns = openNamespace(nodeNetns(lab, node))
  try {
    bindNewMounts(file, () => {
      inNamespace(netns, mountSysfs)
      bindMount(own, '/run/netns')
    })
  } finally {
    closeNamespace(netns)
  }
}

/** All there are of a lab, those of a killed `lab up` too. */
export function removeMounts(lab: string): void {
  const folder = join(LIVE_FOLDER, lab)
  if (!existsSync(folder)) return
  do {
    for (const name of readdirSync(folder))
      if (name.endsWith('.mnt')) while (detachMounts(join(folder, name)) === 0) continue
  } while (detachMounts(folder) === 0)
  rmSync(folder, { recursive: true, force: true })
}
