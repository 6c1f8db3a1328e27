import { groupRule, middleZero, quantizeValue, type OpAttributes } from "../../ops/index.ts";
import { broadcastTo, contiguous, packBits, positions, sizeOf, unpackBits } from "../../tensor/index.ts";
import type { Dense, Kernel, Values } from "./dense.ts";

/** Starts of the matrices of an operand, for every batch of the result. */
function matrixStarts(operand: Dense, batch: readonly number[]): number[] {
  const size = sizeOf(operand.shape.slice(-2));
  return [...positions(broadcastTo(contiguous(operand.shape.slice(0, -2)), batch))].map((at) => at * size);
}

export const matmul: Kernel<"matmul"> = ([a, b], { transposeA, transposeB }, [output]) => {
  const [m, n] = output!.shape.slice(-2) as [number, number];
  const k = a!.shape.at(transposeA ? -2 : -1)!;
  const [aRow, aStep] = transposeA ? [1, m] : [k, 1];
  const [bColumn, bStep] = transposeB ? [k, 1] : [1, n];
  const batch = output!.shape.slice(0, -2);
  const bStarts = matrixStarts(b!, batch);
  const result = new Float64Array(sizeOf(output!.shape));
  let at = 0;
  matrixStarts(a!, batch).forEach((aStart, i) => {
    for (let row = 0; row < m; row++) {
      for (let column = 0; column < n; column++) {
        let sum = 0;
        let left = aStart + row * aRow;
        let right = bStarts[i]! + column * bColumn;
        for (let j = 0; j < k; j++, left += aStep, right += bStep)
          sum += a!.values[left]! * b!.values[right]!;
        result[at++] = sum;
      }
    }
  });
  return [result];
};

/** One dimension is two with an extent of 1. */
function asImage(shape: readonly number[]): [number, number, number, number] {
  const [batch, channels, ...space] = shape as [number, number, number, number?];
  return space[1] === undefined ? [batch, channels, 1, space[0]] : [batch, channels, space[0], space[1]];
}

function asPair<T>(values: readonly T[], missing: T): [T, T] {
  return values.length === 1 ? [missing, values[0]!] : [values[0]!, values[1]!];
}

/** Calls back for each output with the input positions under its window; those in the padding are left out. */
function* windowsOf(
  shape: readonly number[],
  output: readonly number[],
  window: readonly number[],
  attributes: Pick<OpAttributes["conv"], "stride" | "padding" | "dilation">,
): Generator<{ at: number; taps: readonly (readonly [tap: number, position: number])[] }, void, undefined> {
  const [, , height, width] = asImage(shape);
  const [, , outHeight, outWidth] = asImage(output);
  const [tall, wide] = asPair(window, 1);
  const [sy, sx] = asPair(attributes.stride, 1);
  const [dy, dx] = asPair(attributes.dilation, 1);
  const [[top], [left]] = asPair<readonly [number, number]>(attributes.padding, [0, 0]);
  for (let at = 0; at < outHeight * outWidth; at++) {
    const taps: [number, number][] = [];
    for (let tap = 0; tap < tall * wide; tap++) {
      const y = Math.floor(at / outWidth) * sy - top + Math.floor(tap / wide) * dy;
      const x = (at % outWidth) * sx - left + (tap % wide) * dx;
      if (y >= 0 && y < height && x >= 0 && x < width) taps.push([tap, y * width + x]);
    }
    yield { at, taps };
  }
}

export const conv: Kernel<"conv"> = ([x, weight, bias], attributes, [output]) => {
  const [batch, channels] = x!.shape as [number, number];
  const outputs = output!.shape[1]!;
  const [space, plane] = [sizeOf(x!.shape.slice(2)), sizeOf(output!.shape.slice(2))];
  const taken = weight!.shape[1]!;
  const window = weight!.shape.slice(2);
  const size = sizeOf(window);
  const result = new Float64Array(batch * outputs * plane);
  for (const { at, taps } of windowsOf(x!.shape, output!.shape, window, attributes)) {
    for (let bo = 0; bo < batch * outputs; bo++) {
      const o = bo % outputs;
      const first =
        Math.floor(bo / outputs) * channels + Math.floor(o / (outputs / attributes.groups)) * taken;
      let sum = bias?.values[o] ?? 0;
      for (let c = 0; c < taken; c++) {
        for (const [tap, position] of taps) {
          sum += weight!.values[(o * taken + c) * size + tap]! * x!.values[(first + c) * space + position]!;
        }
      }
      result[bo * plane + at] = sum;
    }
  }
  return [result];
};

export const pool: Kernel<"pool"> = ([x], attributes, [output]) => {
  const { kind, size, countsPadding } = attributes;
  const planes = sizeOf(x!.shape.slice(0, 2));
  const [space, plane] = [sizeOf(x!.shape.slice(2)), sizeOf(output!.shape.slice(2))];
  const result = new Float64Array(planes * plane);
  const dilation = size.map(() => 1);
  for (const { at, taps } of windowsOf(x!.shape, output!.shape, size, { ...attributes, dilation })) {
    for (let p = 0; p < planes; p++) {
      const seen = taps.map(([, position]) => x!.values[p * space + position]!);
      const count = countsPadding ? sizeOf(size) : seen.length;
      result[p * plane + at] = kind === "max" ? Math.max(...seen) : seen.reduce((s, v) => s + v, 0) / count;
    }
  }
  return [result];
};

/** Packed parts as numbers, row by row. */
export function unpackValues(
  [packed, scales, zeros]: readonly (Dense | undefined)[],
  { bits, groupSize, length }: OpAttributes["quantizedMatmul"],
): Float64Array {
  const groups = Math.ceil(length / groupSize);
  const integers = unpackBits(packed!.values, length, bits);
  const zero = zeros && unpackBits(zeros.values, groups, bits);
  return Float64Array.from(integers, (integer, i) => {
    const group = Math.floor(i / length) * groups + Math.floor((i % length) / groupSize);
    return scales!.values[group]! * (integer - (zero?.[group] ?? middleZero(bits)));
  });
}

export const dequantize: Kernel<"dequantize"> = (inputs, attributes) => [unpackValues(inputs, attributes)];

export const quantizedMatmul: Kernel<"quantizedMatmul"> = ([x, ...parts], attributes, [output]) => {
  const n = parts[0]!.shape[0]!;
  const weight: Dense = {
    dtype: "f32",
    shape: [n, attributes.length],
    values: unpackValues(parts, attributes),
  };
  const flat: Dense = { ...x!, shape: [sizeOf(x!.shape.slice(0, -1)), attributes.length] };
  const product = { dtype: output!.dtype, shape: [flat.shape[0]!, n] };
  return matmul([flat, weight], { transposeA: false, transposeB: true }, [product]);
};

export const quantize: Kernel<"quantize"> = ([x], { bits, groupSize, isSymmetric, scaleType }, outputs) => {
  const length = x!.shape.at(-1)!;
  const groups = Math.ceil(length / groupSize);
  const rows = length === 0 ? 0 : x!.values.length / length;
  const integers = new Uint8Array(x!.values.length);
  const [scales, zeros] = [new Float64Array(rows * groups), new Uint8Array(rows * groups)];
  for (let group = 0; group < rows * groups; group++) {
    const start = Math.floor(group / groups) * length + (group % groups) * groupSize;
    const end = Math.min(start + groupSize, (Math.floor(group / groups) + 1) * length);
    const run: Values = x!.values.subarray(start, end);
    const rule = groupRule(Math.min(...run), Math.max(...run), bits, isSymmetric, scaleType);
    scales[group] = rule.scale;
    zeros[group] = rule.zero;
    for (let i = start; i < end; i++) integers[i] = quantizeValue(x!.values[i]!, rule, bits);
  }
  const packed = packBits(integers, length, bits);
  return outputs.length === 2 ? [packed, scales] : [packed, scales, packBits(zeros, groups, bits)];
};
