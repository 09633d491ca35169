/** The value of a hex digit. */

/** @returns 0..15 for the character code of a hex digit in either case, else -1 */
export function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48
  const lower = code | 32
  return lower >= 97 && lower <= 102 ? lower - 87 : -1
}
