import type { Bound } from "../binding.ts";
import { step } from "../indexing.ts";
import type { KernelBuilder } from "../kernel.ts";

/** A function `name(start, i)` that reads value `i` of a packed row whose last axis may have any stride. */
export function emitUnpack(b: KernelBuilder, { buffer, strides }: Bound, bits: number): string {
  const name = b.name("unpack");
  const word = (at: string): string => buffer.load(`start + ${step(b, at, strides.at(-1)!) || "0u"}`);
  // Only 3 bits straddle words; a shift by 32 never happens where they do.
  const straddle =
    32 % bits === 0 ? "" : `if (shift > ${32 - bits}u) { value |= ${word("(at + 1u)")} << (32u - shift); }`;
  b.declare(`fn ${name}(start: u32, i: u32) -> u32 {
  let bit = i * ${bits}u; let at = bit >> 5u; let shift = bit & 31u;
  var value = ${word("at")} >> shift;
  ${straddle}
  return value & ${2 ** bits - 1}u;
}`);
  return name;
}
