import { contiguousStrides, positions, sizeOf } from "../../tensor/index.ts";
import type { Dense, Kernel, Values } from "./dense.ts";
import { around } from "./structure.ts";

type Reducer = (values: Float64Array) => number;

const total: Reducer = (values) => values.reduce((sum, value) => sum + value, 0);

/** The first of the best; a NaN is the best of all, as in NumPy. */
function best(values: Float64Array, isBetter: (a: number, b: number) => boolean): number {
  let at = 0;
  for (let i = 1; i < values.length && !Number.isNaN(values[at]!); i++) {
    if (Number.isNaN(values[i]!) || isBetter(values[i]!, values[at]!)) at = i;
  }
  return at;
}

const argmax: Reducer = (values) => best(values, (a, b) => a > b);
const argmin: Reducer = (values) => best(values, (a, b) => a < b);

const REDUCERS: Readonly<Record<string, Reducer>> = {
  sum: total,
  mean: (values) => total(values) / values.length,
  prod: (values) => values.reduce((product, value) => product * value, 1),
  max: (values) => values[argmax(values)]!,
  min: (values) => values[argmin(values)]!,
  argmax,
  argmin,
};

export const reduce: Kernel<"reduce"> = ([x], { fn, axes }) => {
  const { shape, values } = x!;
  const strides = contiguousStrides(shape);
  const kept = shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const part = (chosen: readonly number[], offset: number): number[] => [
    ...positions({ shape: chosen.map((a) => shape[a]!), strides: chosen.map((a) => strides[a]!), offset }),
  ];
  const group = part(axes, 0);
  const reducer = REDUCERS[fn]!;
  return [
    Float64Array.from(part(kept, 0), (base) => reducer(Float64Array.from(group, (at) => values[base + at]!))),
  ];
};

export const softmax: Kernel<"softmax"> = ([x], { axis, isLog }) => {
  const [outer, extent, inner] = around(x!.shape, axis);
  const result = new Float64Array(x!.values.length);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const at = (j: number): number => (o * extent + j) * inner + i;
      let high = -Infinity;
      for (let j = 0; j < extent; j++) high = Math.max(high, x!.values[at(j)]!);
      let sum = 0;
      for (let j = 0; j < extent; j++) sum += Math.exp(x!.values[at(j)]! - high);
      for (let j = 0; j < extent; j++) {
        const value = x!.values[at(j)]! - high;
        result[at(j)] = isLog ? value - Math.log(sum) : Math.exp(value) / sum;
      }
    }
  }
  return [result];
};

function plus(x: Dense, residual: Dense | undefined): Values {
  return residual ? Float64Array.from(x.values, (value, i) => value + residual.values[i]!) : x.values;
}

/** Each run of `length` elements brought to mean 0 (unless it is kept) and variance 1, then scaled by `affine`. */
function normalize(
  values: Values,
  length: number,
  epsilon: number,
  keepsMean: boolean,
  affine: (value: number, at: number) => number,
): Float64Array {
  const result = new Float64Array(values.length);
  for (let start = 0; start < values.length; start += length) {
    const run = Float64Array.from(values.subarray(start, start + length));
    const mean = keepsMean ? 0 : total(run) / length;
    const variance = run.reduce((sum, value) => sum + (value - mean) ** 2, 0) / length;
    const factor = 1 / Math.sqrt(variance + epsilon);
    for (let i = 0; i < length; i++) result[start + i] = affine((run[i]! - mean) * factor, start + i);
  }
  return result;
}

export const layerNorm: Kernel<"layerNorm"> = ([x, scale, bias, residual], { epsilon }) => {
  const values = plus(x!, residual);
  const length = x!.shape.at(-1)!;
  const affine = (value: number, at: number): number =>
    value * (scale?.values[at % length] ?? 1) + (bias?.values[at % length] ?? 0);
  return [normalize(values, length, epsilon, false, affine), values];
};

export const rmsNorm: Kernel<"rmsNorm"> = ([x, scale, residual], { epsilon }) => {
  const values = plus(x!, residual);
  const length = x!.shape.at(-1)!;
  return [normalize(values, length, epsilon, true, (v, at) => v * (scale?.values[at % length] ?? 1)), values];
};

export const batchNorm: Kernel<"batchNorm"> = ([x, mean, variance, scale, bias], { epsilon }) => {
  const [, channels, inner] = around(x!.shape, 1);
  const normal = Float64Array.from(x!.values, (value, at) => {
    const c = Math.floor(at / inner) % channels;
    const unit = (value - mean!.values[c]!) / Math.sqrt(variance!.values[c]! + epsilon);
    return unit * (scale?.values[c] ?? 1) + (bias?.values[c] ?? 0);
  });
  return [normal];
};

export const groupNorm: Kernel<"groupNorm"> = ([x, scale, bias], { epsilon, groups }) => {
  const [, channels, inner] = around(x!.shape, 1);
  const length = (channels / groups) * sizeOf(x!.shape.slice(2));
  const affine = (value: number, at: number): number => {
    const c = Math.floor(at / inner) % channels;
    return value * (scale?.values[c] ?? 1) + (bias?.values[c] ?? 0);
  };
  return [normalize(x!.values, length, epsilon, false, affine)];
};
