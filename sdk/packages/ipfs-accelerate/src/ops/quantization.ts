import { fromHalf, roundEven, toHalf, type Bits } from "../tensor/index.ts";

export interface GroupRule {
  readonly scale: number;
  readonly zero: number;
}

/**
 * Scale and zero point of one group; the scale is already rounded to the type it is stored in.
 *
 * Asymmetric: the range with 0 in it, over `2^bits − 1` steps. Symmetric: the largest magnitude over `2^(bits−1) − 1`
 * steps around `2^(bits−1)`. A group of zeros has scale 0.
 */
export function groupRule(
  low: number,
  high: number,
  bits: Bits,
  isSymmetric: boolean,
  scaleType: "f16" | "f32",
): GroupRule {
  const middle = 2 ** (bits - 1);
  const steps = isSymmetric ? middle - 1 : 2 ** bits - 1;
  const [from, to] = [Math.min(low, 0), Math.max(high, 0)];
  const exact = (isSymmetric ? Math.max(-from, to) : to - from) / steps;
  const scale = scaleType === "f16" ? fromHalf(toHalf(exact)) : Math.fround(exact);
  if (scale === 0) return { scale, zero: isSymmetric ? middle : 0 };
  return { scale, zero: isSymmetric ? middle : Math.min(Math.max(roundEven(-from / scale), 0), steps) };
}

/** The integer of a value: rounded to even, held inside the bits. */
export function quantizeValue(value: number, { scale, zero }: GroupRule, bits: Bits): number {
  if (scale === 0) return zero;
  return Math.min(Math.max(roundEven(value / scale) + zero, 0), 2 ** bits - 1);
}

/** The zero point of groups that store none. */
export function middleZero(bits: Bits): number {
  return 2 ** (bits - 1);
}
