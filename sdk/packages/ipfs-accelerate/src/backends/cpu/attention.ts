import type { OpAttributes } from "../../ops/index.ts";
import { broadcastTo, contiguous, positions } from "../../tensor/index.ts";
import type { Dense, Kernel } from "./dense.ts";
import { unpackValues } from "./linear.ts";

export const rope: Kernel<"rope"> = ([x, cos, sin], { isInterleaved }) => {
  const [, heads, time, depth] = x!.shape as [number, number, number, number];
  const half = cos!.shape.at(-1)!;
  const perBatch = cos!.shape.length === 3 ? time * half : 0;
  const result = Float64Array.from(x!.values);
  for (let row = 0; row < x!.values.length / depth; row++) {
    const table = Math.floor(row / (heads * time)) * perBatch + (row % time) * half;
    for (let i = 0; i < half; i++) {
      const first = row * depth + (isInterleaved ? 2 * i : i);
      const second = first + (isInterleaved ? 1 : half);
      const [c, s] = [cos!.values[table + i]!, sin!.values[table + i]!];
      result[first] = x!.values[first]! * c - x!.values[second]! * s;
      result[second] = x!.values[second]! * c + x!.values[first]! * s;
    }
  }
  return [result];
};

/** What is added to each score `[B, H, T, S]`: minus infinity where a key may not be seen. */
function penalties(mask: Dense | undefined, shape: readonly number[], isCausal: boolean): Float64Array {
  const [, , time, keys] = shape as [number, number, number, number];
  const all = mask ? [...positions(broadcastTo(contiguous(mask.shape), shape))] : [];
  const size = shape.reduce((product, extent) => product * extent, 1);
  return Float64Array.from({ length: size }, (_, i) => {
    const query = Math.floor(i / keys) % time;
    if (isCausal && i % keys > query + keys - time) return -Infinity;
    const value = mask ? mask.values[all[i]!]! : 0;
    if (mask?.dtype === "bool") return value ? 0 : -Infinity;
    return value;
  });
}

/** In place; a row of minus infinities becomes zeros. */
function softmaxRow(scores: Float64Array): void {
  const high = Math.max(...scores);
  if (high === -Infinity) {
    scores.fill(0);
    return;
  }
  let sum = 0;
  for (let i = 0; i < scores.length; i++) sum += scores[i] = Math.exp(scores[i]! - high);
  for (let i = 0; i < scores.length; i++) scores[i]! /= sum;
}

export const attention: Kernel<"attention"> = ([q, k, v, mask], { scale, isCausal }) => {
  const [batch, heads, time, depth] = q!.shape as [number, number, number, number];
  const [, groups, keys, width] = v!.shape as [number, number, number, number];
  const penalty = penalties(mask, [batch, heads, time, keys], isCausal);
  const result = new Float64Array(batch * heads * time * width);
  for (let row = 0; row < batch * heads * time; row++) {
    const head = Math.floor(row / time);
    const group = Math.floor(head / heads) * groups + Math.floor((head % heads) / (heads / groups));
    const scores = Float64Array.from({ length: keys }, (_, key) => {
      let sum = 0;
      for (let d = 0; d < depth; d++) {
        sum += q!.values[row * depth + d]! * k!.values[(group * keys + key) * depth + d]!;
      }
      return sum * scale + penalty[row * keys + key]!;
    });
    softmaxRow(scores);
    for (let key = 0; key < keys; key++) {
      for (let e = 0; e < width; e++) {
        result[row * width + e]! += scores[key]! * v!.values[(group * keys + key) * width + e]!;
      }
    }
  }
  return [result];
};

export const quantizedAttention: Kernel<"quantizedAttention"> = (inputs, attributes, outputs) => {
  const [q, kPacked, kScales, kZeros, vPacked, vScales, vZeros, mask] = inputs;
  const length = q!.shape[3]!;
  const dense = (parts: readonly (Dense | undefined)[]): Dense => {
    const options: OpAttributes["quantizedMatmul"] = { ...attributes, length };
    return {
      dtype: "f32",
      shape: [...parts[0]!.shape.slice(0, -1), length],
      values: unpackValues(parts, options),
    };
  };
  const [k, v] = [dense([kPacked, kScales, kZeros]), dense([vPacked, vScales, vZeros])];
  return attention([q, k, v, mask], attributes, outputs);
};
