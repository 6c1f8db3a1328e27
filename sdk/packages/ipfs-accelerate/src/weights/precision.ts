import type { Bits } from "../tensor/index.ts";

/** How the matrices of a model are held; `int8` to `int2` as packed integers with a scale per group. */
export type Precision = "fp32" | "fp16" | "int8" | "int4" | "int3" | "int2";

export const PRECISIONS: readonly Precision[] = ["fp32", "fp16", "int8", "int4", "int3", "int2"];

const BITS: Readonly<Partial<Record<Precision, Bits>>> = { int8: 8, int4: 4, int3: 3, int2: 2 };

/** `undefined` for the float precisions. */
export function bitsOf(precision: Precision): Bits | undefined {
  return BITS[precision];
}

export interface PrecisionPlan {
  /** Of every matrix no override names. */
  readonly weights: Precision;
  /** The first pattern that is found in a tensor's name decides. */
  readonly overrides?: readonly { readonly pattern: RegExp; readonly weights: Precision }[];
  /** Elements that share a scale. */
  readonly groupSize?: number;
  /** Of activations and of all that is not a packed matrix; `f16` when `weights` is `fp16`, else `f32`. */
  readonly compute?: "f32" | "f16";
}

export function precisionOf(plan: PrecisionPlan, name: string): Precision {
  return plan.overrides?.find(({ pattern }) => pattern.test(name))?.weights ?? plan.weights;
}

export function computeType(plan: PrecisionPlan): "f32" | "f16" {
  return plan.compute ?? (plan.weights === "fp16" ? "f16" : "f32");
}
