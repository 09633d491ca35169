/** The labs on this kernel: records over the real namespaces, for those who may touch them. */
import { LanyardError } from '../errors.ts'
import { deleteNetns, hasNetns } from '../kernel/netns.ts'
import { missingCapabilities } from '../sys/capability.ts'
import { LabRecords } from './lab-records.ts'

/** @throws LanyardError `needs-root` */
export function kernelLabs(): LabRecords {
  if (process.platform !== 'linux') {
    throw new LanyardError('needs-root', { missing: `this is ${process.platform}, not Linux` })
  }
  const missing = missingCapabilities()
  if (missing.length > 0) {
    throw new LanyardError('needs-root', { missing: `this process lacks ${missing.join(' and ')}` })
  }
  return new LabRecords({ has: hasNetns, remove: deleteNetns })
}
