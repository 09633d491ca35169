/** seccomp(2), as far as starting User Mode Linux needs it. */
import { check } from './socket.ts'
import { koffi, libc } from './libc.ts'

const PR_SET_SECCOMP = 22
const PR_SET_NO_NEW_PRIVS = 38
const SECCOMP_MODE_FILTER = 2

// Classic BPF over struct seccomp_data {int nr; u32 arch; u64 ip; u64 args[6]}.
const LOAD = 0x20
const JUMP_EQUAL = 0x15
const RETURN = 0x06
const ALLOW = 0x7fff0000
const ERRNO_EINVAL = 0x00050016
const ARCH_X86_64 = 0xc000003e
const NR_PTRACE = 101
const PTRACE_GETREGSET = 0x4204
const NT_X86_XSTATE = 0x202

let hidden = false

/**
 * From now on this thread's children cannot read another process's extended register state by
 * ptrace (EINVAL), as on a processor that has none; they then use the old calls. Nothing else is
 * filtered. Cannot be taken back; a second call does nothing.
 */
export function hidePtraceXstate(): void {
  if (hidden) return
  const program: readonly (readonly [
    code: number,
    ifTrue: number,
    ifFalse: number,
    value: number,
  ])[] = [
    [LOAD, 0, 0, 4],
    [JUMP_EQUAL, 0, 7, ARCH_X86_64],
    [LOAD, 0, 0, 0],
    [JUMP_EQUAL, 0, 5, NR_PTRACE],
    [LOAD, 0, 0, 16],
    [JUMP_EQUAL, 0, 3, PTRACE_GETREGSET],
    [LOAD, 0, 0, 32],
    [JUMP_EQUAL, 0, 1, NT_X86_XSTATE],
    [RETURN, 0, 0, ERRNO_EINVAL],
    [RETURN, 0, 0, ALLOW],
  ]
  const filter = new Uint8Array(program.length * 8)
  const view = new DataView(filter.buffer)
  program.forEach(([code, ifTrue, ifFalse, value], i) => {
    view.setUint16(i * 8, code, true)
    view.setUint8(i * 8 + 2, ifTrue)
    view.setUint8(i * 8 + 3, ifFalse)
    view.setUint32(i * 8 + 4, value, true)
  })
  // struct sock_fprog { u16 len; struct sock_filter *filter }
  const fprog = new Uint8Array(16)
  new DataView(fprog.buffer).setUint16(0, program.length, true)
  new DataView(fprog.buffer).setBigUint64(8, koffi().address(filter), true)
  check('prctl', libc().prctl(PR_SET_NO_NEW_PRIVS, 1, null, 0, 0))
  check('prctl', libc().prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, fprog, 0, 0))
  hidden = true
}
