import type { OpAttributes, OpName, OutputSpec } from "../../ops/index.ts";
import { fromHalf, isContiguous, positions, sizeOf, toHalf, hostArray } from "../../tensor/index.ts";
import type { DType, HostArray, Shape, TensorSpec } from "../../tensor/index.ts";

export type Values = HostArray | Float64Array;

/** An input as kernels see it: numbers row by row. */
export interface Dense {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly values: Values;
}

/** Computes in double precision; what it returns is rounded to the type of each output afterwards. */
export type Kernel<K extends OpName> = (
  inputs: readonly (Dense | undefined)[],
  attributes: OpAttributes[K],
  outputs: readonly OutputSpec[],
) => readonly Values[];

export type Kernels = { readonly [K in Exclude<OpName, "assign">]: Kernel<K> };

/** The elements of a view, row by row, without a copy where they already lie so. */
export function densify(spec: TensorSpec, host: HostArray): Dense {
  const { dtype, shape, offset } = spec;
  const size = sizeOf(shape);
  if (isContiguous(spec) && dtype !== "f16")
    return { dtype, shape, values: host.subarray(offset, offset + size) };
  const values = new Float64Array(size);
  let i = 0;
  for (const position of positions(spec)) values[i++] = host[position]!;
  return { dtype, shape, values: dtype === "f16" ? values.map(fromHalf) : values };
}

/** Rounds numbers to what the type can hold. */
export function encode(values: Values, dtype: DType): HostArray {
  const host = hostArray(dtype, values.length);
  if (dtype === "f16") for (let i = 0; i < values.length; i++) host[i] = toHalf(values[i]!);
  else host.set(values);
  return host;
}
