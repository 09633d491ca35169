/** Classic BPF on a socket: the kernel throws away what nobody wants before it is queued. */
import { koffi } from './libc.ts'
import { SO_ATTACH_FILTER, SOL_SOCKET, setOption } from './socket.ts'

/** One instruction: code, jump if true, jump if false, operand (struct sock_filter). */
export type Instruction = readonly [code: number, jt: number, jf: number, k: number]

/** @throws SysError EINVAL when the program does not verify */
export function attachFilter(fd: number, program: readonly Instruction[]): void {
  const code = new Uint8Array(new ArrayBuffer(Math.max(program.length * 8, 128)))
  const view = new DataView(code.buffer)
  for (const [i, [op, jt, jf, k]] of program.entries()) {
    view.setUint16(i * 8, op, true)
    view.setUint8(i * 8 + 2, jt)
    view.setUint8(i * 8 + 3, jf)
    view.setUint32(i * 8 + 4, k, true)
  }
  const header = new Uint8Array(16)
  const headerView = new DataView(header.buffer)
  headerView.setUint16(0, program.length, true)
  headerView.setBigUint64(8, koffi().address(code), true)
  setOption(fd, SOL_SOCKET, SO_ATTACH_FILTER, header)
}
