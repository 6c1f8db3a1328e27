import type { Epilogue, OpAttributes, OpName } from "../../ops/index.ts";
import type { DType, Shape } from "../../tensor/index.ts";

/** How the numbers of an input are made; all from a seed, none stored. */
export type Contents =
  | { readonly kind: "normal" }
  /** In `[low, high)`. */
  | { readonly kind: "uniform"; readonly low: number; readonly high: number }
  /** Integers from `low` to before `high`. */
  | { readonly kind: "integer"; readonly low: number; readonly high: number }
  | { readonly kind: "values"; readonly values: readonly number[] };

/** A tensor that is uploaded, and how it is then looked at. */
export interface InputCase {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly contents: Contents;
  readonly permute?: readonly number[];
  readonly slice?: readonly [axis: number, start: number, end: number];
  readonly broadcast?: Shape;
}

interface CaseOf<K extends OpName> {
  readonly name: string;
  readonly op: K;
  readonly inputs: readonly (InputCase | undefined)[];
  readonly attributes: OpAttributes[K];
  readonly epilogue?: Epilogue<InputCase>;
  /** Allowed `|got − wanted| / (1 + |wanted|)`; integers and bool must be equal. */
  readonly tolerance: number;
}

/** One call every backend must answer alike. */
export type ConformanceCase = { [K in OpName]: CaseOf<K> }[OpName];

export const TOLERANCE: Readonly<Record<"f32" | "f16", number>> = { f32: 2e-5, f16: 4e-3 };

type Extras<K extends OpName> = Partial<Pick<CaseOf<K>, "epilogue" | "tolerance">>;

/** A case with the tolerance of its first float input. */
export function caseOf<K extends OpName>(
  name: string,
  op: K,
  inputs: readonly (InputCase | undefined)[],
  attributes: OpAttributes[K],
  extras: Extras<K> = {},
): ConformanceCase {
  const tolerance = inputs.some((input) => input?.dtype === "f16") ? TOLERANCE.f16 : TOLERANCE.f32;
  return { name, op, inputs, attributes, tolerance, ...extras } as ConformanceCase;
}

type View = Pick<InputCase, "permute" | "slice" | "broadcast">;

export function floats(shape: Shape, view: View = {}): InputCase {
  return { shape, dtype: "f32", contents: { kind: "normal" }, ...view };
}

export function halves(shape: Shape, view: View = {}): InputCase {
  return { shape, dtype: "f16", contents: { kind: "normal" }, ...view };
}

export function between(low: number, high: number, shape: Shape, dtype: DType = "f32"): InputCase {
  return { shape, dtype, contents: { kind: "uniform", low, high } };
}

export function integers(low: number, high: number, shape: Shape, dtype: DType = "i32"): InputCase {
  return { shape, dtype, contents: { kind: "integer", low, high } };
}

export function bools(shape: Shape): InputCase {
  return integers(0, 2, shape, "bool");
}

/** Any 32-bit words. */
export function words(shape: Shape): InputCase {
  return integers(0, 2 ** 32, shape, "u32");
}

export function exactly(values: readonly number[], shape: Shape, dtype: DType = "f32"): InputCase {
  return { shape, dtype, contents: { kind: "values", values } };
}
